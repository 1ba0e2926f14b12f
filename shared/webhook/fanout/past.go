package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/eventtype"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/filter"
)

// LoadOne reads the subscription of one endpoint and the organization's event types, or
// returns webhook.ErrEndpointNotFound.
func LoadOne(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint) (s Subscription, catalog eventtype.Catalog, err error) {
	var batch pgx.Batch
	batch.Queue(`
		SELECT `+subscriptionColumns+` FROM webhook_endpoint e
		WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL`, org, endpoint).Query(pg.IntoOne(&s))
	catalog.Queue(&batch, org)
	err = tx.SendBatch(ctx, &batch).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return s, catalog, webhook.ErrEndpointNotFound
	}
	if err != nil {
		err = fmt.Errorf("fanout.LoadOne: %w", err)
	}
	return s, catalog, err
}

// Past returns the candidate of an event that was published before. group is that of its
// type.
func Past(eventType, group string, data json.RawMessage) *Candidate {
	c := Candidate{Event: filter.Event{Type: eventType, Data: data}, Group: group}
	c.About = aboutOf(c)
	return &c
}
