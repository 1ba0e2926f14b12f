package fanout

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/eventtype"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// UnknownTypes returns those of an endpoint's event types that get no type of the event
// catalog and no operational event, so that they may be misspelt. Without a catalog
// there are none, because nothing is known then.
func UnknownTypes(ctx context.Context, tx pg.Tx, org id.Org, eventTypes []string) ([]string, error) {
	var catalog eventtype.Catalog
	var batch pgx.Batch
	catalog.Queue(&batch, org)
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("fanout.UnknownTypes: %w", err)
	}
	unknown := []string{}
	if catalog.IsEmpty() {
		return unknown, nil
	}
	for _, t := range eventTypes {
		wanted := func(name, group string) bool { return webhook.Wants([]string{t}, name, group) }
		known := catalog.Has(wanted)
		for _, o := range webhook.Operational() {
			known = known || wanted(o.Type, "")
		}
		if !known {
			unknown = append(unknown, t)
		}
	}
	return unknown, nil
}
