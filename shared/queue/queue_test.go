package queue_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"portico/infra/local/aws/awstest"
	"portico/shared/queue"
	"portico/shared/testkit"
)

// endpoints returns every SQS to test against, by name: the local stack's, and
// moto's where moto runs.
func endpoints(t *testing.T) map[string]string {
	t.Helper()
	_, url := awstest.Server(t)
	all := map[string]string{"local": url}
	if moto := os.Getenv("PORTICO_TEST_MOTO_URL"); moto != "" {
		all["moto"] = moto
	}
	return all
}

// A message arrives as it was sent. Sending to a queue that does not exist is an
// error.
func TestSend(t *testing.T) {
	for name, endpoint := range endpoints(t) {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			client := sqs.NewFromConfig(testkit.AWS(endpoint))
			queueName := "send-test"
			made, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &queueName})
			if err != nil {
				t.Fatal(err)
			}
			body := `{"ünïcödé":"\u0001 <&>"}` + strings.Repeat(" ", 1000)
			if err := queue.NewSender(client, *made.QueueUrl).Send(ctx, body); err != nil {
				t.Fatal(err)
			}
			got, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl, WaitTimeSeconds: 5})
			if err != nil || len(got.Messages) != 1 || *got.Messages[0].Body != body {
				t.Errorf("received %+v, %v", got.Messages, err)
			}
			err = queue.NewSender(client, *made.QueueUrl+"-absent").Send(ctx, body)
			if err == nil || !strings.Contains(err.Error(), "queue.Send") {
				t.Errorf("to an absent queue: %v", err)
			}
		})
	}
}
