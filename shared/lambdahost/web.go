package lambdahost

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"

	"portico/shared/mail/unsubscribe"
	pages "portico/shared/pages/unsubscribe"
	"portico/shared/pg"
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
	callRuntimeDirectly()
	lambda.Start(gateway{handler})
}
