// Package awstest runs the local stack's AWS services for tests.
package awstest

import (
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"portico/infra/local/aws"
	"portico/shared/queue"
	"portico/shared/testkit"
)

// Server serves SQS and the other services until the test ends, and returns them
// with their address.
func Server(t testing.TB) (services *aws.Server, url string) {
	t.Helper()
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	services, err := aws.NewServer(aws.Options{Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = services
	return services, server.URL
}

// Queue returns a new queue of nudges, and the sender to it.
func Queue(t testing.TB) (*aws.Queue, *queue.Sender) {
	t.Helper()
	services, url := Server(t)
	nudges := services.AddQueue("dispatch", aws.DefaultQueueAttributes())
	return nudges, queue.NewSender(sqs.NewFromConfig(testkit.AWS(url)), services.QueueURL("dispatch"))
}
