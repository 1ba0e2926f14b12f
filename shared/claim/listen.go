package claim

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/clock"
	"portico/shared/pg"
)

// listen receives the notifications of those who add work, on a session of its
// own, while the dispatcher leads. Helpers look instead. A session listens for
// ListenFor at most: after a failover it may be connected to a server that is no
// longer the writer, where no notification arrives and the session does not end by
// itself.
func (r *run[K, W, R]) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if !r.leads.Load() {
			_ = clock.Sleep(ctx, lookAtLeast)
			continue
		}
		if err := r.listenOnce(ctx); err != nil && ctx.Err() == nil {
			r.warn(ctx, "the dispatcher could not listen", err)
			_ = clock.Sleep(ctx, time.Second)
		}
	}
}

func (r *run[K, W, R]) listenOnce(ctx context.Context) error {
	pooled, err := r.DB.Acquire(ctx)
	if err != nil {
		return err
	}
	conn := pooled.Hijack() // a session that listens must not go back to the pool
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `LISTEN `+pgx.Identifier{r.Waker.Queue}.Sanitize()); err != nil {
		return err
	}
	// Notifications between two sessions are lost. This look finds what is due.
	r.lookNow.Store(true)
	r.tell()
	life, cancel := context.WithTimeout(ctx, cmp.Or(r.ListenFor, pg.SessionLife))
	defer cancel()
	for {
		notification, err := conn.WaitForNotification(life)
		if err != nil && life.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		keys, ok := r.queue.Heard(notification.Payload)
		if !ok {
			r.lookNow.Store(true)
		}
		r.tell(keys...)
	}
}

// tell makes the dispatcher claim for lanes that have something due.
func (r *run[K, W, R]) tell(lanes ...K) {
	r.lanes.add(lanes...)
	select {
	case r.told <- struct{}{}:
	default: // told already
	}
}
