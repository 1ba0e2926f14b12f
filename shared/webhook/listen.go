package webhook

import (
	"context"
	"time"

	"portico/shared/clock"
)

// listen passes on what publishers tell, on a session of its own, once the
// dispatcher leads. Whoever does not listen still looks every lookAtLeast. No
// session listens longer than listenFor: one to a server that is no longer the
// writer hears nothing, and does not end by itself.
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
	conn := pooled.Hijack() // whoever gets it next must not be listening
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return err
	}
	// What is told between two sessions is found by the next look.
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
		keys, ok := decodeNews(notification.Payload)
		if !ok {
			r.lookNow.Store(true)
		}
		r.tell(keys...)
	}
}

// tell lets the dispatcher claim for endpoints that have something due.
func (r *run) tell(endpoints ...endpointKey) {
	r.lanes.add(endpoints...)
	select {
	case r.told <- struct{}{}:
	default: // told already
	}
}
