// Package lambdahost runs operations and jobs in Lambda. It is the only package
// that depends on Lambda; the main of a function only calls one of its functions.
package lambdahost

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/api/edge"
	"portico/shared/apikey"
	"portico/shared/dynamo"
	"portico/shared/egress"
	"portico/shared/job"
	"portico/shared/limit"
	"portico/shared/member"
	"portico/shared/observe"
	"portico/shared/staff"
	"portico/shared/webhook/fanout"
)

// API serves operations behind API Gateway.
func API(operations ...edge.Operation) { serve(special{}, operations) }

// Default serves operations and the gateway's default route: it is told what
// others serve, to tell a wrong method from a wrong path. It is not asked of the
// registry here, because that would link every operation into every function.
func Default(elsewhere []edge.Operation, operations ...edge.Operation) {
	serve(special{elsewhere: elsewhere}, operations)
}

// special is what only one function has, so that it is not linked into all of them.
type special struct {
	kinds     *job.Registry
	elsewhere []edge.Operation
	mail      func(*host, *edge.Server) error
	also      func(*host, *edge.Server) error
	beside    func(*edge.Server, http.Handler) http.Handler
}

func serve(s special, operations []edge.Operation) {
	ctx := context.Background()
	h, err := newHost(ctx)
	exitOn(err)
	needs := edge.NeedsOf(operations)
	needs.Wake = needs.Wake || s.kinds != nil || s.mail != nil // some operations add jobs, or apply reports
	server, err := h.server(ctx, needs)
	exitOn(err)
	if needs.Captcha {
		server.Captcha, err = h.captcha(ctx)
		exitOn(err)
	}
	server.Jobs = s.kinds
	server.Elsewhere = s.elsewhere
	if s.also != nil {
		exitOn(s.also(h, server))
	}
	if s.mail != nil {
		exitOn(s.mail(h, server))
	}
	handler, err := server.Handler(operations...)
	exitOn(err)
	if s.beside != nil {
		handler = s.beside(server, handler)
	}
	h.start(ctx, handler)
}

// start serves the gateway's events.
func (h *host) start(ctx context.Context, handler http.Handler) {
	handler, err := h.throughEdge(ctx, handler)
	exitOn(err)
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
		id = requestID(ctx)
	}
	ctx, cancel := endEarlier(ctx, forAnswer)
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

// endEarlier returns a context that ends this long before the function's timeout.
func endEarlier(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-by))
}

// server opens what the operations need, and nothing else.
func (h *host) server(ctx context.Context, needs edge.Needs) (*edge.Server, error) {
	s := &edge.Server{Services: edge.Services{Clock: h.clock, Subscriptions: fanout.NewCache()}, Log: h.log}
	if !needs.Store {
		return s, nil
	}
	var (
		database databaseEnv
		keys     keysEnv
		domains  domainEnv
		limits   limitEnv
		counts   limitTableEnv
		sealing  sealingEnv
		outward  egressEnv
		wake     wakeEnv
		queues   jobQueuesEnv
		anchors  anchorEnv
		apps     appsEnv
	)
	environment := []any{&database, &keys, &domains, &limits, &counts, &sealing, &outward, &anchors, &apps}
	if needs.Wake {
		environment = append(environment, &wake, &queues)
	}
	err := read(environment...)
	if err != nil {
		return nil, err
	}
	if s.Limits, err = limit.NewPolicies(limits.Limits, limits.Delayed...); err != nil {
		return nil, err
	}
	if s.DB, err = database.open(ctx); err != nil {
		return nil, err
	}
	h.announceEntries(s.DB, database)
	if s.Box, err = h.box(sealing); err != nil {
		return nil, err
	}
	if s.Egress, err = egress.ParsePolicy(outward.Allow); err != nil {
		return nil, err
	}
	s.SourceIPs = outward.SourceIPs
	s.Apps = h.apps(apps, s.DB, s.Box)
	s.Keys = apikey.NewProjection(dynamodb.NewFromConfig(h.aws), keys.Table, s.DB, h.clock)
	s.Members, s.Staff = member.NewRights(s.DB, h.clock), staff.NewPeople(s.DB, h.clock)
	settings := limit.Settings{Policies: s.Limits, Environments: limits.Environments}
	s.Keys.Limit(settings)
	s.Keys.Overrides = h.overrides(counts)
	s.Counters = edge.NewCounters(dynamo.NewTable(dynamodb.NewFromConfig(h.aws), counts.Table, "id"), settings, h.clock)
	s.Hosts, s.Anchors = h.hosts(domains), h.anchors(anchors)
	if needs.Wake {
		s.Wakers = h.wakers(wake, database)
		h.announce(s.DB, queues, wake, database)
	}
	return s, nil
}

// consume serves an SQS event source with partial batch failures: a message
// whose job fails comes back, the others do not.
func consume(job func(ctx context.Context, body string) error, log *observe.Log) {
	lambda.Start(func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		var failed events.SQSEventResponse
		for _, message := range event.Records {
			if err := job(observe.WithRequestID(ctx, requestID(ctx)), message.Body); err != nil {
				log.Error("a job failed", "message_id", message.MessageId, "request_id", requestID(ctx), "cause", err.Error())
				failed.BatchItemFailures = append(failed.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
			}
		}
		return failed, nil
	})
}

// invoke serves a schedule or a direct invocation.
func invoke(job func(ctx context.Context, payload json.RawMessage) (any, error)) {
	lambda.Start(func(ctx context.Context, payload json.RawMessage) (any, error) {
		return job(observe.WithRequestID(ctx, requestID(ctx)), payload)
	})
}

func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}

// exitOn ends a function that cannot start; Lambda shows the line in its log.
func exitOn(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, `{"level":"ERROR","message":"the function cannot start","cause":%q}`+"\n", err.Error())
		os.Exit(1)
	}
}
