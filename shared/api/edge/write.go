package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"portico/shared/fault"
	"portico/shared/idempotency"
	"portico/shared/pg"
	"portico/shared/webhook"
)

var idempotencyParameter = &huma.Param{
	Name: idempotencyHeader, In: "header",
	Description: "#Idempotency-Key",
	Schema:      &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(maxIdempotencyKey)},
}

const (
	idempotencyHeader = "Idempotency-Key"
	maxIdempotencyKey = 255
	ReplayedHeader    = "Idempotent-Replayed"
)

// done is what became of a mutation.
type done[O any] struct {
	out      *O
	replayed bool
	awake    bool   // a dispatcher was, and has been told
	database string // where the organization was taken to live, then found
}

// write runs a mutation: the claim of its Idempotency-Key, its work, its audit
// entry and the stored reply commit together. For deliveries that it makes due,
// it lowers the due time before the commit and notifies a dispatcher after it.
func write[I, O any](s *Server, c *Call, w Write[I, O], in *I) (*O, error) {
	notes, metrics := len(c.notes), len(c.metrics)
	d, err := transact(s, c, w, in, false)
	if errors.Is(err, pg.ErrAgain) {
		c.forget(notes, metrics)
		d, err = transact(s, c, w, in, true)
	}
	if err != nil {
		return nil, err
	}
	if d.replayed {
		c.setHeader(ReplayedHeader, "true")
	}
	for _, f := range c.committed {
		f()
	}
	if len(c.due) > 0 && !d.awake {
		s.wake(c, d.database)
	}
	return d.out, nil
}

func transact[I, O any](s *Server, c *Call, w Write[I, O], in *I, again bool) (done[O], error) {
	d := done[O]{database: s.DB.LastFound(c.Org)}
	if w.Wakes {
		if err := s.lower(c, d.database); err != nil {
			return d, err
		}
	}
	var then pgx.Batch
	err := c.inOrg(again, c.within(func() (err error) {
		if err = c.judge(); err != nil {
			return err
		}
		if c.key == "" {
			d.out, err = work(c, w, in)
		} else {
			d.out, d.replayed, err = once(c, w, in)
		}
		if len(c.due) == 0 || err != nil {
			return err
		}
		webhook.Tell(&then, c.Org, c.due, &d.awake)
		if found := pg.DatabaseOf(c.Tx); found != "" && found != d.database { // it has moved
			d.database = found
			return s.lower(c, found)
		}
		return nil
	}), &then)
	return d, err
}

// once does the work unless there is a stored reply for its key.
func once[I, O any](c *Call, w Write[I, O], in *I) (out *O, replayed bool, err error) {
	// Two members in whose name one app calls have their own keys.
	scope := idempotency.Scope{Org: c.Org, Caller: c.Caller.Actor.ID + c.Caller.For.ID, Operation: w.ID, Key: c.key}
	reply, err := idempotency.Claim(c, c.Tx, scope, c.hash(), c.Box)
	if err != nil {
		return nil, false, err
	}
	if reply != nil {
		out = new(O)
		if err := json.Unmarshal(reply, out); err != nil {
			return nil, false, fmt.Errorf("stored reply of %s: %w", w.ID, err)
		}
		return out, true, nil
	}
	if out, err = work(c, w, in); err != nil {
		return nil, false, err
	}
	var encoded bytes.Buffer
	if err := encodeJSON(&encoded, out); err != nil {
		return nil, false, err
	}
	return out, false, idempotency.Store(c, c.Tx, scope, encoded.Bytes(), c.Box)
}

// work checks the input, does the work and writes its audit entry.
func work[I, O any](c *Call, w Write[I, O], in *I) (*O, error) {
	if err := checked(c, in); err != nil {
		return nil, err
	}
	out, err := w.Handle(c, in)
	if err != nil {
		return nil, err
	}
	return out, c.record(w.Op)
}

// lower makes the due time of a database no later than now, so that its sweep
// looks there.
func (s *Server) lower(ctx context.Context, database string) error {
	if err := s.Wakers[database].Due.Lower(ctx, s.Clock.Now()); err != nil {
		return fault.ErrAway.Because(err)
	}
	return nil
}

// wake sends a nudge if none was sent a moment ago. If that fails, the request
// still succeeds: the sweep finds the committed deliveries.
func (s *Server) wake(c *Call, database string) {
	nudged, err := s.Wakers[database].WakeForPublish(c)
	if err != nil {
		c.Note(slog.String("wake_failed", err.Error()))
		return
	}
	c.Note(slog.Bool("nudged", nudged))
}
