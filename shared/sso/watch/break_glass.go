package watch

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// Entrance is that a break-glass owner has entered an organization without its enforced
// connection.
type Entrance struct {
	Member id.Member `json:"member"`
	At     time.Time `json:"at"`
}

// TellOfBreakGlass tells the members of an organization, once for each entrance. Its job is
// added in the transaction that writes the entrance into the organization's log.
func TellOfBreakGlass(tell func(ctx context.Context, tx pg.Tx, org id.Org, e Entrance) error) job.Kind[Entrance] {
	return job.Kind[Entrance]{
		Name: "sso_connection.tell_of_break_glass", Queue: job.High,
		Work: job.InTx(func(ctx context.Context, tx pg.Tx, j job.Job, e Entrance) error { return tell(ctx, tx, j.Org, e) }),
	}
}
