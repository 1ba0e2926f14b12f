package jobs

import (
	"context"
	"encoding/json"
	"fmt"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/placement"
)

// MoveOrganization asks for an organization to live in another database.
type MoveOrganization struct {
	OrganizationID string `json:"organization_id"`
	Database       string `json:"database"`
}

// OrganizationMoved says what was done.
type OrganizationMoved struct {
	OrganizationID string `json:"organization_id"`
	From           string `json:"from"`
	Database       string `json:"database"`
	RowsCopied     int    `json:"rows_copied"`
	// For how long its requests waited, and for how long nothing was sent for it.
	WritersStopped  string `json:"writers_stopped"`
	DeliveriesQuiet string `json:"deliveries_quiet"`
}

// Move is the job that moves organizations between databases.
type Move struct {
	Logins   pg.Databases[Login]
	Wakers   pg.Databases[[]*claim.Waker] // of all queues
	Clock    *clock.Clock
	Progress func(format string, args ...any)
}

// Run moves one organization. It may be repeated if it failed. To cancel a move,
// call it with the database that the organization comes from.
func (m Move) Run(ctx context.Context, payload json.RawMessage) (OrganizationMoved, error) {
	var in MoveOrganization
	if err := json.Unmarshal(payload, &in); err != nil {
		return OrganizationMoved{}, fmt.Errorf(`the payload is not JSON such as {"organization_id":"org_…","database":"acme"}: %w`, err)
	}
	own, err := id.Parse[id.Org](in.OrganizationID)
	if err != nil {
		return OrganizationMoved{}, fmt.Errorf("organization_id: %w", err)
	}
	mover := placement.Mover{
		Progress: m.Progress, Wake: m.wake,
		Lower: func(ctx context.Context, database string) error {
			for _, w := range m.Wakers[database] {
				if err := w.Due.Lower(ctx, m.Clock.Now()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	if mover.Owners, err = Owners(ctx, m.Logins); err != nil {
		return OrganizationMoved{}, err
	}
	done, err := mover.Move(ctx, own, in.Database)
	return OrganizationMoved{
		OrganizationID: in.OrganizationID, From: done.From, Database: done.To, RowsCopied: done.Rows,
		WritersStopped: done.Stopped.String(), DeliveriesQuiet: done.Silent.String(),
	}, err
}

// Owners returns the owner of every database.
func Owners(ctx context.Context, logins pg.Databases[Login]) (pg.Databases[*pg.Owner], error) {
	return pg.Make(logins, func(name string, login Login) (*pg.Owner, error) {
		config, err := login.config(ctx)
		if err != nil {
			return nil, err
		}
		return pg.NewOwner(name, config), nil
	})
}

// wake may fail without harm: then the sweep finds what is due.
func (m Move) wake(ctx context.Context, database string) {
	for _, w := range m.Wakers[database] {
		if err := w.Wake(ctx); err != nil {
			m.Progress("no dispatcher of the queue %s could be woken: %v", w.Queue, err)
		}
	}
}
