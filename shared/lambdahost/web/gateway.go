// Package web answers the events of API Gateway by net/http's handlers.
package web

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"portico/shared/lambdahost"
	"portico/shared/observe"
)

// Start serves the gateway's events.
func Start(ctx context.Context, h *lambdahost.Host, handler http.Handler) {
	handler, err := throughEdge(ctx, h, handler)
	lambdahost.ExitOn(err)
	callRuntimeDirectly()
	lambda.Start(Gateway{handler})
}

// Gateway handles events of API Gateway. It is a lambda.Handler, because for any
// other function the library reads and writes JSON by reflection.
type Gateway struct{ http.Handler }

// Invoke answers one event.
func (g Gateway) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	event, err := decode(payload)
	if err != nil {
		return nil, err
	}
	id := event.RequestContext.RequestID // also in the gateway's access log
	if id == "" {
		id = lambdahost.RequestID(ctx)
	}
	ctx, cancel := lambdahost.EndEarlier(ctx, forAnswer)
	defer cancel()
	out, err := answer(observe.WithRequestID(ctx, id), g.Handler, event)
	if err != nil {
		return nil, err
	}
	return encode(out), nil
}

// forAnswer is how long before the function's timeout a request ends, so that its
// transaction can be rolled back and the caller gets an answer.
const forAnswer = 2 * time.Second
