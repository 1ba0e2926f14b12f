// Package site runs the functions with pages and addresses outside the API: sign-in, OAuth,
// and what is behind mails.
package site

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/api/edge"
	"portico/shared/apikey"
	"portico/shared/dynamo"
	"portico/shared/lambdahost"
	"portico/shared/lambdahost/web"
	"portico/shared/limit"
	"portico/shared/mail/feedback"
	"portico/shared/mail/unsubscribe"
	"portico/shared/oauth"
	"portico/shared/pages/resend"
	"portico/shared/pages/token"
	stop "portico/shared/pages/unsubscribe"
	"portico/shared/pg"
	"portico/shared/signingkey"
	"portico/shared/webhook/fanout"
)

// Unsubscribe serves the page behind a mail's link to unsubscribe.
func Unsubscribe() {
	ctx := context.Background()
	var (
		database lambdahost.DatabaseEnv
		sealing  lambdahost.SealingEnv
	)
	h := begin(ctx, &database, &sealing)
	db, err := database.Open(ctx)
	lambdahost.ExitOn(err)
	box, err := h.Box(sealing)
	lambdahost.ExitOn(err)
	handler := &stop.Handler{Box: box, Clock: h.Clock, Log: h.Log, Stop: func(ctx context.Context, c unsubscribe.Choice) error {
		return db.InOrg(ctx, c.Org, func(tx pg.Tx) error { return unsubscribe.Stop(ctx, tx, c) })
	}}
	web.Start(ctx, h.Host, handler)
}

// Resend receives what Resend reports about mails.
func Resend() {
	ctx := context.Background()
	var (
		database lambdahost.DatabaseEnv
		wake     lambdahost.WakeEnv
		own      resendEnv
	)
	h := begin(ctx, &database, &wake, &own)
	db, err := database.Open(ctx)
	lambdahost.ExitOn(err)
	handler := &resend.Handler{Clock: h.Clock, Log: h.Log}
	if own.Secret != "" {
		text, err := h.ReadMailSecret(ctx, own.Secret)
		lambdahost.ExitOn(err)
		handler.Key, err = resendKey(text)
		lambdahost.ExitOn(err)
	}
	desk := &feedback.Desk{DB: db, Wakers: h.Wakers(wake, database), Subscriptions: fanout.NewCache(), Clock: h.Clock, Log: h.Log}
	handler.Apply = desk.Apply
	web.Start(ctx, h.Host, handler)
}

// resendEnv names the secret with the access to Resend; "" or another service's:
// mail is not sent through it.
type resendEnv struct {
	Secret string `env:"MAIL_SECRET"`
}

// host opens what pages need.
type host struct{ *lambdahost.Host }

// begin makes the host of a function that needs this environment.
func begin(ctx context.Context, environment ...any) *host {
	return &host{lambdahost.Begin(ctx, environment...)}
}

// unnamed answers every request where the address of the pages is not set.
func unnamed(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "Nobody can sign in here yet. Operators: set the parameter PublicUrl to the address of this site.", http.StatusNotFound)
}

// OAuth gives apps their tokens.
func OAuth() {
	ctx := context.Background()
	var (
		database lambdahost.DatabaseEnv
		sealing  lambdahost.SealingEnv
		limits   lambdahost.LimitEnv
		counts   lambdahost.LimitTableEnv
		keys     lambdahost.KeysEnv
		own      lambdahost.AppsEnv
	)
	h := begin(ctx, &database, &sealing, &limits, &counts, &keys, &own)
	if own.Public == "" {
		web.Start(ctx, h.Host, http.HandlerFunc(unnamed))
		return
	}
	db, err := database.Open(ctx)
	lambdahost.ExitOn(err)
	h.AnnounceEntries(db, database)
	box, err := h.Box(sealing)
	lambdahost.ExitOn(err)
	policies, err := limit.NewPolicies(limits.Limits, limits.Delayed...)
	lambdahost.ExitOn(err)
	settings, client := limit.Settings{Policies: policies, Environments: limits.Environments}, dynamodb.NewFromConfig(h.AWS)
	counters := edge.NewCounters(dynamo.NewTable(client, counts.Table, "id"), settings, h.Clock)
	known := apikey.NewProjection(client, keys.Table, db, h.Clock)
	known.Limit(settings)
	web.Start(ctx, h.Host, &token.Handler{
		Keys: known,
		Desk: &oauth.Desk{Apps: h.Apps(own, db, box), DB: db, Clock: h.Clock, Keys: &signingkey.Ring{DB: db, Box: box, Clock: h.Clock}}, Addresses: counters.Addresses, Apps: counters.Actors, Log: h.Log,
	})
}

// resendKey returns the key of Resend's webhook, or nil if mail is not sent through
// Resend or Resend reports nothing.
func resendKey(text []byte) ([]byte, error) {
	var to lambdahost.MailSecret
	if json.Unmarshal(text, &to) != nil {
		return nil, lambdahost.ErrMailSecret
	}
	if to.Resend == nil || to.Resend.WebhookSecret == "" {
		return nil, nil
	}
	return feedback.ResendSecret(to.Resend.WebhookSecret)
}
