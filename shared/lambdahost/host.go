// Package lambdahost is what all functions have: their environment, their databases and
// the services of AWS. Lambda starts them, and only this package and those below it
// depend on it: web answers API Gateway, serve has the functions of the API, site those
// with pages, and work those for background work. So a function links what its kind
// needs. Its main only calls one function of serve, site or work.
package lambdahost

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"portico/shared/observe"
)

// EndEarlier returns a context that ends this long before the function's timeout.
func EndEarlier(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-by))
}

// Consume serves an SQS event source with partial batch failures: a message
// whose job fails comes back, the others do not.
func Consume(job func(ctx context.Context, body string) error, log *observe.Log) {
	lambda.Start(func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		var failed events.SQSEventResponse
		for _, message := range event.Records {
			if err := job(observe.WithRequestID(ctx, RequestID(ctx)), message.Body); err != nil {
				log.Error("a job failed", "message_id", message.MessageId, "request_id", RequestID(ctx), "cause", err.Error())
				failed.BatchItemFailures = append(failed.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
			}
		}
		return failed, nil
	})
}

// Invoke serves a schedule or a direct invocation.
func Invoke(job func(ctx context.Context, payload json.RawMessage) (any, error)) {
	lambda.Start(func(ctx context.Context, payload json.RawMessage) (any, error) {
		return job(observe.WithRequestID(ctx, RequestID(ctx)), payload)
	})
}

// RequestID returns the id of an invocation, which is in its log lines.
func RequestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}

// ExitOn ends a function that cannot start; Lambda shows the line in its log.
func ExitOn(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, `{"level":"ERROR","message":"the function cannot start","cause":%q}`+"\n", err.Error())
		os.Exit(1)
	}
}
