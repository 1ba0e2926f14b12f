package webhook

import (
	"context"
	"time"

	"portico/shared/clock"
)

// listen receives publishers' notifications on a session of its own, while the
// dispatcher leads. Helpers look instead. A session listens for listenFor at most: after a failover it may
// be connected to a server that is no longer the writer, where no notification
// arrives and the session does not end by itself.
func (r *run) listen(ctx context.Context) {
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

func (r *run) listenOnce(ctx context.Context) error {
	pooled, err := r.DB.Acquire(ctx)
	if err != nil {
		return err
	}
	conn := pooled.Hijack() // a session that listens must not go back to the pool
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return err
	}
	// Notifications between two sessions are lost. This look finds their deliveries.
	r.lookNow.Store(true)
	r.tell()
	life, cancel := context.WithTimeout(ctx, r.listenFor)
	defer cancel()
	for {
		notification, err := conn.WaitForNotification(life)
		if err != nil && life.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		keys, ok := decodeNotification(notification.Payload)
		if !ok {
			r.lookNow.Store(true)
		}
		r.tell(keys...)
	}
}

// tell makes the dispatcher claim for endpoints that have something due.
func (r *run) tell(endpoints ...endpointKey) {
	r.lanes.add(endpoints...)
	select {
	case r.told <- struct{}{}:
	default: // told already
	}
}
