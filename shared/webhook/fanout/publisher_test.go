package fanout_test

import (
	"context"
	"testing"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/signing"
)

// publisher is an organization with endpoints that publishes events. Nothing is
// sent.
type publisher struct {
	*testkit.Database
	t   *testing.T
	box *secret.Box
	org id.Org
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	db := testkit.DB(t)
	return &publisher{Database: db, t: t, box: testkit.Box(t), org: db.NewOrg(t)}
}

// endpoint creates an endpoint.
func (p *publisher) endpoint(url string, types ...string) id.WebhookEndpoint {
	p.t.Helper()
	endpoint := webhook.NewEndpoint(url, types, p.Clock.Now())
	p.InOrg(p.t, p.org, func(ctx context.Context, tx pg.Tx) error {
		return webhook.InsertEndpoint(ctx, tx, p.org, endpoint, signing.NewSecret(), p.box)
	})
	return endpoint.ID
}

// setOptions returns the endpoint with its changed options.
func (p *publisher) setOptions(endpoint id.WebhookEndpoint, o webhook.OptionsChange) (changed webhook.Endpoint) {
	p.t.Helper()
	p.InOrg(p.t, p.org, func(ctx context.Context, tx pg.Tx) (err error) {
		_, changed, err = webhook.UpdateEndpoint(ctx, tx, p.org, endpoint, webhook.EndpointChange{Options: o}, p.Clock.Now(), p.box)
		return err
	})
	return changed
}

// publish returns the events and the endpoints that get a due delivery.
func (p *publisher) publish(drafts ...event.Draft) (events []event.Event, due []id.WebhookEndpoint) {
	p.t.Helper()
	p.InOrg(p.t, p.org, func(ctx context.Context, tx pg.Tx) (err error) {
		events, due, err = event.Publish(ctx, tx, p.org, drafts, p.Clock.Now())
		return err
	})
	return events, due
}

// deliveries counts all of the organization's.
func (p *publisher) deliveries() int {
	p.t.Helper()
	return testkit.Value[int](p.t, p.Database, `SELECT count(*) FROM webhook_delivery WHERE org_id = $1`, p.org)
}
