package fanout

import (
	"context"
	"encoding/json"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/filter"
)

// LoadOne reads the subscription of one endpoint, or returns
// webhook.ErrEndpointNotFound.
func LoadOne(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint) (Subscription, error) {
	return pg.One[Subscription](ctx, tx, "fanout.LoadOne", webhook.ErrEndpointNotFound, `
		SELECT `+subscriptionColumns+` FROM webhook_endpoint e WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL`, org, endpoint)
}

// Past returns the candidate of an event that was published before.
func Past(eventType string, data json.RawMessage) *Candidate {
	c := Candidate{Event: filter.Event{Type: eventType, Data: data}}
	c.About = aboutOf(c)
	return &c
}
