// Package jobs is the worker edge: one file per message, schedule or direct
// invocation, from its payload to the domain.
package jobs

import (
	"context"

	"portico/shared/webhook"
)

// Dispatch answers a nudge: it dispatches until nothing is due. What the nudge
// says does not matter.
func Dispatch(d *webhook.Dispatcher) func(ctx context.Context, body string) error {
	return func(ctx context.Context, _ string) error { return d.Run(ctx) }
}
