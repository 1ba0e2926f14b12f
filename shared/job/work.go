package job

import (
	"context"
	"encoding/json"
	"fmt"

	"portico/shared/pg"
)

// Work is how a kind does its jobs. InTx, Call and Steps make it; there is no other
// way, so every kind can be repeated without harm.
type Work[Args any] struct{ do func(*try, Args) error }

// InTx is work that only writes to the database: do gets the organization's
// transaction, and the job finishes in it. So its effect happens exactly once. For
// kinds of the platform the transaction is portico_worker's.
func InTx[Args any](do func(ctx context.Context, tx pg.Tx, j Job, args Args) error) Work[Args] {
	return Work[Args]{do: func(t *try, args Args) error {
		return t.commit(func(ctx context.Context, tx pg.Tx) error {
			if err := do(ctx, tx, t.job, args); err != nil {
				return err
			}
			return t.finish(ctx, tx)
		})
	}}
}

// Call is work of another program. call runs outside any transaction, and may run
// again if its runner dies, so the other side must recognise j.Key(), or the kind
// must find out what became of an earlier call. then gets the reply in the
// organization's transaction, in which the job finishes. It may be nil.
func Call[Args, Reply any](
	call func(ctx context.Context, j Job, args Args) (Reply, error),
	then func(ctx context.Context, tx pg.Tx, j Job, args Args, reply Reply) error,
) Work[Args] {
	return Work[Args]{do: func(t *try, args Args) error {
		t.at(beforeCall)
		reply, err := call(t.ctx, t.job, args)
		if err != nil {
			return err
		}
		t.at(afterCall)
		if then == nil {
			return nil
		}
		return t.commit(func(ctx context.Context, tx pg.Tx) error {
			if err := then(ctx, tx, t.job, args, reply); err != nil {
				return err
			}
			return t.finish(ctx, tx)
		})
	}}
}

// Steps is work that takes longer than one transaction should. step gets the cursor
// that the last step returned, at first the zero value, and reports whether more is
// to be done. Each step's effect, cursor and progress commit together. If the
// invocation ends, another one continues.
func Steps[Args, Cursor any](
	step func(ctx context.Context, tx pg.Tx, j Job, args Args, at Cursor) (next Cursor, more bool, err error),
) Work[Args] {
	return Work[Args]{do: func(t *try, args Args) error {
		var at Cursor
		if t.Cursor != nil {
			if err := json.Unmarshal(t.Cursor, &at); err != nil {
				return undecodable{fmt.Errorf("cursor: %w", err)}
			}
		}
		for more := true; more; {
			if err := t.mayContinue(); err != nil {
				return err
			}
			var next Cursor
			err := t.commit(func(ctx context.Context, tx pg.Tx) (err error) {
				if next, more, err = step(ctx, tx, t.job, args, at); err != nil {
					return err
				}
				if !more {
					return t.finish(ctx, tx)
				}
				return t.save(ctx, tx, next)
			})
			if err != nil {
				return err
			}
			at = next
			t.steps++
		}
		return nil
	}}
}
