package claim

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"portico/shared/id"
	"portico/shared/pg"
)

// Unexported names that the tests in claim_test use.
var (
	GiveUpRow  = giveUpRow
	Unnotified = saveUnnotified
)

// StayAwake renews a dispatcher's row.
func StayAwake(ctx context.Context, db *pg.Worker, queue string, dispatcher uuid.UUID) error {
	_, _, err := stayAwake(ctx, db, queue, dispatcher)
	return err
}

// CallHelp calls for help, as a dispatcher does that has had more due than slots
// for a second.
func CallHelp(ctx context.Context, d *Dispatcher) error {
	r := newRun[key, piece, piece](d, nil)
	if err := r.renew(ctx); err != nil {
		return err
	}
	r.lanes = newLanes[key](0)
	r.lanes.add(key{})
	r.fullSince = time.Now().Add(-time.Minute)
	r.callHelp(ctx)
	return giveUpRow(ctx, r.DB, r.id)
}

// NudgedAt changes when a waker last nudged for a publish.
func NudgedAt(w *Waker, at time.Time) { w.nudged = at }

// key is a lane of the tests without a database.
type key struct {
	org  id.Org
	lane int
}

func (k key) Org() id.Org { return k.org }

// piece is work of such a lane, and its result.
type piece struct{ key }

func (p piece) Leased() Leased[key] { return Leased[key]{Lane: p.key} }
func (p piece) Ended() Ended[key]   { return Ended[key]{Lane: p.key} }
func (p piece) Name() slog.Attr     { return slog.Int("lane", p.lane) }
