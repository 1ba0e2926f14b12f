// Package jobs handles messages, schedules and direct invocations, as shared/api
// does for requests: one file for each, which reads the payload and calls the
// domain.
package jobs

import (
	"context"
	"encoding/json"
	"fmt"

	"portico/shared/claim"
	"portico/shared/pg"
)

// Dispatcher is the one of deliveries, or the sequencer of audit entries.
type Dispatcher interface{ Run(context.Context) error }

// Dispatch answers a nudge: it does the work of the database that the nudge names until
// nothing is due there.
func Dispatch[D Dispatcher](dispatchers pg.Databases[D]) func(ctx context.Context, body string) error {
	return func(ctx context.Context, body string) error {
		nudge := claim.Nudge{Database: pg.Home}
		if err := json.Unmarshal([]byte(body), &nudge); err != nil {
			return fmt.Errorf("jobs.Dispatch: %q is not a nudge: %w", body, err)
		}
		if nudge.IsOutdated() {
			return nil
		}
		d, err := dispatchers.At(nudge.Database)
		if err != nil {
			return fmt.Errorf("jobs.Dispatch: %w", err)
		}
		return d.Run(ctx)
	}
}
