package event

import (
	"context"
	"fmt"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook/fanout"
)

// maxRefusals is how many wrong fields a refused publish names.
const maxRefusals = 20

// admit refuses drafts of archived types, and those whose data their types' schemas
// refuse: one fault names all fields, such as `events[3].data.total`. If the catalog
// was cached, it first checks that it has not changed.
func admit(ctx context.Context, tx pg.Tx, org id.Org, subscriptions fanout.Subscriptions, isCached bool, drafts []Draft, events []Event) error {
	var refusals []error
	for i, d := range drafts {
		if !subscriptions.Catalog.Watches(d.Type) {
			continue
		}
		begin := time.Now()
		err := subscriptions.Catalog.Admit(ctx, tx, org, fmt.Sprintf("events[%d].", i), d.Type, d.Data)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("event.admit: %w after %d of %d events: %w", ErrSlow, i, len(drafts), ctx.Err())
		case err == nil:
		case fault.Of(err) == nil || fault.Of(err).Kind != fault.Invalid:
			return err
		}
		refusals = append(refusals, err)
		events[i].Matching += time.Since(begin)
	}
	refusal := fault.Join(refusals...)
	if f := fault.Of(refusal); f != nil && len(f.Fields) > maxRefusals {
		f.Fields = f.Fields[:maxRefusals]
	}
	if refusal != nil && isCached {
		if err := subscriptions.Check(ctx, tx, org); err != nil {
			return err
		}
	}
	return refusal
}
