package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"portico/shared/idempotency"
	"portico/shared/pg"
	"portico/shared/webhook"
)

var idempotencyParameter = &huma.Param{
	Name: idempotencyHeader, In: "header",
	Description: "Any string of up to 255 characters, unique to what you want done. Sent again within 24 hours with the same body it gets the same reply and does nothing.",
	Schema:      &huma.Schema{Type: huma.TypeString, MinLength: ptr(1), MaxLength: ptr(maxIdempotencyKey)},
}

const (
	idempotencyHeader = "Idempotency-Key"
	maxIdempotencyKey = 255
	replayedHeader    = "Idempotent-Replayed"
)

func ptr[T any](v T) *T { return &v }

// write runs a mutation: the claim of its Idempotency-Key, its work, its audit
// entry and the stored reply commit together. What it makes due is announced
// before the commit and woken after it.
func write[I, O any](ctx context.Context, e *Edge, w Write[I, O], in *I) (*O, error) {
	call := callOf(ctx)
	place := e.DB.PlaceOf(call.caller.Org)
	if w.Wakes {
		if err := e.lower(ctx, place); err != nil {
			return nil, err
		}
	}
	var out *O
	replayed, awake := false, false
	var then pgx.Batch
	err := e.DB.InOrgThen(ctx, call.caller.Org, func(tx pg.Tx) (err error) {
		if call.key == "" {
			out, err = work(ctx, e, tx, w, in)
		} else {
			out, replayed, err = once(ctx, e, tx, w, in)
		}
		if len(call.due) == 0 || err != nil {
			return err
		}
		webhook.Tell(&then, call.caller.Org, call.due, &awake)
		if found := pg.DatabaseOf(tx); found != place { // it has moved
			place = found
			return e.lower(ctx, place)
		}
		return nil
	}, &then)
	if err != nil {
		return nil, err
	}
	if replayed {
		call.setHeader(replayedHeader, "true")
	}
	for _, f := range call.committed {
		f(ctx)
	}
	if len(call.due) > 0 && !awake {
		e.wake(ctx, place)
	}
	return out, nil
}

// once does the work unless its key has a reply already.
func once[I, O any](ctx context.Context, e *Edge, tx pg.Tx, w Write[I, O], in *I) (out *O, replayed bool, err error) {
	call := callOf(ctx)
	_, actor := call.caller.Actor()
	scope := idempotency.Scope{Org: call.caller.Org, Caller: actor, Operation: w.ID, Key: call.key}
	reply, err := idempotency.Claim(ctx, tx, scope, call.hash(), e.Box)
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
	if out, err = work(ctx, e, tx, w, in); err != nil {
		return nil, false, err
	}
	var encoded bytes.Buffer
	if err := encodeJSON(&encoded, out); err != nil {
		return nil, false, err
	}
	return out, false, idempotency.Store(ctx, tx, scope, encoded.Bytes(), e.Box)
}

// work checks the input, does the work and writes its audit entry.
func work[I, O any](ctx context.Context, e *Edge, tx pg.Tx, w Write[I, O], in *I) (*O, error) {
	if err := checked(ctx, e, in); err != nil {
		return nil, err
	}
	org := callOf(ctx).caller.Org
	out, err := w.Handle(e, ctx, tx, org, in)
	if err != nil {
		return nil, err
	}
	return out, e.record(ctx, tx, w.Op, org)
}

// lower tells the sweep of a database that something is due there from now on.
func (e *Edge) lower(ctx context.Context, database string) error {
	if err := e.Wakers[database].Due.Lower(ctx, e.Clock.Now()); err != nil {
		return errUnavailable.Because(err)
	}
	return nil
}

// wake is best effort: what is committed is delivered at the latest by the
// sweep, so a nudge that fails does not fail the request.
func (e *Edge) wake(ctx context.Context, database string) {
	nudged, err := e.Wakers[database].WakeForPublish(ctx)
	if err != nil {
		callOf(ctx).note(slog.String("wake_failed", err.Error()))
		return
	}
	callOf(ctx).note(slog.Bool("nudged", nudged))
}
