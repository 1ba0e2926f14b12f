package edge

import (
	"bytes"
	"context"
	"encoding/json"
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

// write runs a mutation: the claim of its Idempotency-Key, its work, its audit
// entry and the stored reply commit together. For deliveries that it makes due,
// it lowers the due time before the commit and notifies a dispatcher after it.
func write[I, O any](s *Server, c *Call, w Write[I, O], in *I) (*O, error) {
	database := s.DB.LastFound(c.Org)
	if w.Wakes {
		if err := s.lower(c, database); err != nil {
			return nil, err
		}
	}
	var out *O
	replayed, awake := false, false
	var then pgx.Batch
	err := s.DB.InOrgThen(c, c.Org, c.within(func() (err error) {
		if c.key == "" {
			out, err = work(c, w, in)
		} else {
			out, replayed, err = once(c, w, in)
		}
		if len(c.due) == 0 || err != nil {
			return err
		}
		webhook.Tell(&then, c.Org, c.due, &awake)
		if found := pg.DatabaseOf(c.Tx); found != database { // it has moved
			database = found
			return s.lower(c, database)
		}
		return nil
	}), &then)
	if err != nil {
		return nil, err
	}
	if replayed {
		c.setHeader(ReplayedHeader, "true")
	}
	for _, f := range c.committed {
		f()
	}
	if len(c.due) > 0 && !awake {
		s.wake(c, database)
	}
	return out, nil
}

// once does the work unless there is a stored reply for its key.
func once[I, O any](c *Call, w Write[I, O], in *I) (out *O, replayed bool, err error) {
	_, actor := c.Caller.Actor()
	scope := idempotency.Scope{Org: c.Org, Caller: actor, Operation: w.ID, Key: c.key}
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
