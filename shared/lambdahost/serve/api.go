// Package serve runs the functions of the API.
package serve

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/api/edge"
	"portico/shared/apikey"
	"portico/shared/dynamo"
	"portico/shared/egress"
	"portico/shared/job"
	"portico/shared/lambdahost"
	"portico/shared/lambdahost/web"
	"portico/shared/limit"
	"portico/shared/member"
	"portico/shared/staff"
	"portico/shared/webhook/fanout"
)

// API serves operations behind API Gateway.
func API(operations ...edge.Operation) { serve(special{}, operations) }

// Default serves operations without a store and the gateway's default route: it is told
// what others serve, to tell a wrong method from a wrong path. It links no store.
func Default(elsewhere func() []string, operations ...edge.Operation) {
	ctx := context.Background()
	h := lambdahost.Begin(ctx)
	if edge.NeedsOf(operations).Store {
		lambdahost.ExitOn(errors.New("an operation needs a store: serve it by API"))
	}
	handler, err := (&edge.Server{Services: edge.Services{Clock: h.Clock}, Log: h.Log, Elsewhere: elsewhere}).Handler(operations...)
	lambdahost.ExitOn(err)
	web.Start(ctx, h, handler)
}

// host opens what operations need.
type host struct{ *lambdahost.Host }

// special is what only one function has, so that it is not linked into all of them.
type special struct {
	kinds  *job.Registry
	mail   func(*host, *edge.Server) error
	also   func(*host, *edge.Server) error
	beside func(*edge.Server, http.Handler) http.Handler
}

func serve(s special, operations []edge.Operation) {
	ctx := context.Background()
	h := &host{lambdahost.Begin(ctx)}
	needs := edge.NeedsOf(operations)
	needs.Wake = needs.Wake || s.kinds != nil || s.mail != nil // some operations add jobs, or apply reports
	server, err := h.server(ctx, needs)
	lambdahost.ExitOn(err)
	if needs.Captcha {
		server.Captcha, err = h.Captcha(ctx)
		lambdahost.ExitOn(err)
	}
	server.Jobs = s.kinds
	if s.also != nil {
		lambdahost.ExitOn(s.also(h, server))
	}
	if s.mail != nil {
		lambdahost.ExitOn(s.mail(h, server))
	}
	handler, err := server.Handler(operations...)
	lambdahost.ExitOn(err)
	if s.beside != nil {
		handler = s.beside(server, handler)
	}
	web.Start(ctx, h.Host, handler)
}

// server opens what the operations need, and nothing else.
func (h *host) server(ctx context.Context, needs edge.Needs) (*edge.Server, error) {
	s := &edge.Server{Services: edge.Services{Clock: h.Clock, Subscriptions: fanout.NewCache()}, Log: h.Log}
	if !needs.Store {
		return s, nil
	}
	var (
		database lambdahost.DatabaseEnv
		keys     lambdahost.KeysEnv
		domains  lambdahost.DomainEnv
		limits   lambdahost.LimitEnv
		counts   lambdahost.LimitTableEnv
		sealing  lambdahost.SealingEnv
		outward  lambdahost.EgressEnv
		wake     lambdahost.WakeEnv
		queues   lambdahost.JobQueuesEnv
		anchors  lambdahost.AnchorEnv
		apps     lambdahost.AppsEnv
	)
	environment := []any{&database, &keys, &domains, &limits, &counts, &sealing, &outward, &anchors, &apps}
	if needs.Wake {
		environment = append(environment, &wake, &queues)
	}
	err := lambdahost.Read(environment...)
	if err != nil {
		return nil, err
	}
	if s.Limits, err = limit.NewPolicies(limits.Limits, limits.Delayed...); err != nil {
		return nil, err
	}
	if s.DB, err = database.Open(ctx); err != nil {
		return nil, err
	}
	h.AnnounceEntries(s.DB, database)
	if s.Box, err = h.Box(sealing); err != nil {
		return nil, err
	}
	if s.Egress, err = egress.ParsePolicy(outward.Allow); err != nil {
		return nil, err
	}
	s.SourceIPs = outward.SourceIPs
	s.Apps = h.Apps(apps, s.DB, s.Box)
	s.Keys = apikey.NewProjection(dynamodb.NewFromConfig(h.AWS), keys.Table, s.DB, h.Clock)
	s.Members, s.Staff = member.NewRights(s.DB, h.Clock), staff.NewPeople(s.DB, h.Clock)
	settings := limit.Settings{Policies: s.Limits, Environments: limits.Environments}
	s.Keys.Limit(settings)
	s.Keys.Overrides = h.Overrides(counts)
	s.Counters = edge.NewCounters(dynamo.NewTable(dynamodb.NewFromConfig(h.AWS), counts.Table, "id"), settings, h.Clock)
	s.Hosts, s.Anchors = h.Hosts(domains), h.Anchors(anchors)
	if needs.Wake {
		s.Wakers = h.Wakers(wake, database)
		h.Announce(s.DB, queues, wake, database)
	}
	return s, nil
}
