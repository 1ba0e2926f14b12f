package lambdahost

import (
	"context"

	"portico/shared/mail/feedback"
	"portico/shared/mail/unsubscribe"
	"portico/shared/pages/resend"
	pages "portico/shared/pages/unsubscribe"
	"portico/shared/pg"
	"portico/shared/webhook/fanout"
)

// Unsubscribe serves the page behind a mail's link to unsubscribe.
func Unsubscribe() {
	ctx := context.Background()
	var (
		database databaseEnv
		sealing  sealingEnv
	)
	h := begin(ctx, &database, &sealing)
	db, err := database.open(ctx)
	exitOn(err)
	box, err := h.box(sealing)
	exitOn(err)
	handler := &pages.Handler{Box: box, Clock: h.clock, Log: h.log, Stop: func(ctx context.Context, c unsubscribe.Choice) error {
		return db.InOrg(ctx, c.Org, func(tx pg.Tx) error { return unsubscribe.Stop(ctx, tx, c) })
	}}
	h.start(ctx, handler)
}

// Resend receives what Resend reports about mails.
func Resend() {
	ctx := context.Background()
	var (
		database databaseEnv
		wake     wakeEnv
		own      resendEnv
	)
	h := begin(ctx, &database, &wake, &own)
	db, err := database.open(ctx)
	exitOn(err)
	handler := &resend.Handler{Clock: h.clock, Log: h.log}
	if own.Secret != "" {
		text, err := h.readMailSecret(ctx, own.Secret)
		exitOn(err)
		handler.Key, err = resendKey(text)
		exitOn(err)
	}
	desk := &feedback.Desk{DB: db, Wakers: h.wakers(wake, database), Subscriptions: fanout.NewCache(), Clock: h.clock, Log: h.log}
	handler.Apply = desk.Apply
	h.start(ctx, handler)
}

// resendEnv names the secret with the access to Resend; "" or another service's:
// mail is not sent through it.
type resendEnv struct {
	Secret string `env:"MAIL_SECRET"`
}
