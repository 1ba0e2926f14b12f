package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
)

// measureDrain measures how fast a dispatcher that was asleep sends a backlog.
// It shows the dispatcher alone, to compare with the reference loop.
func (b *bench) measureDrain(ctx context.Context) error {
	err := b.drain(ctx, fmt.Sprintf("drain of a backlog of %d, 1 endpoint", b.reference), b.inbox.url(0), "")
	if err == nil {
		b.figures["drain"] = b.rows[len(b.rows)-1].perSecond
	}
	return err
}

// retryPolicy retries after a second.
const retryPolicy = `,"retry_policy":"custom","retry_schedule":[1]`

// measureRetries drains a backlog of which every second delivery is refused once.
// The receiver accepts the others, so no breaker opens.
func (b *bench) measureRetries(ctx context.Context) error {
	return b.drain(ctx, fmt.Sprintf("drain of %d, half of them retried once", b.reference), b.inbox.urlOnce(), retryPolicy)
}

func (b *bench) drain(ctx context.Context, name, url, policy string) error {
	progress("%s …", name)
	endpoint, err := b.createEndpointWith(ctx, url, "bench.event", policy)
	if err != nil {
		return err
	}
	if err := b.awaitSleep(ctx); err != nil {
		return err
	}
	l := newLoad(len(b.rows))
	if err := b.backlog(ctx, l, "bench.event", b.reference); err != nil {
		return err
	}
	mark, err := b.meter.Begin(ctx)
	if err != nil {
		return err
	}
	if err := b.publish(ctx, l, b.reference, 1); err != nil { // wakes it
		return err
	}
	waitErr := b.inbox.await(len(l.sentN))
	mark.Stop()
	if err := errors.Join(waitErr, b.awaitRecorded(ctx, []string{endpoint})); err != nil {
		return err
	}
	r, err := b.account(ctx, name, l, 1, mark)
	r.enqueue, r.receive = nil, nil // not measured here
	b.rows = append(b.rows, r)
	return errors.Join(err, b.deleteEndpoints(ctx, []string{endpoint}))
}

// awaitSleep waits until no dispatcher has been awake for a second: an old nudge
// may wake one just after the last has fallen asleep.
func (b *bench) awaitSleep(ctx context.Context) error {
	for looks := 0; looks < 5; looks++ {
		var awake bool
		if err := b.db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM dispatcher WHERE queue = 'webhook_delivery' AND awake_until > portico_now())`).Scan(&awake); err != nil {
			return err
		}
		if awake {
			looks = -1
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// backlog publishes n events like the API, but wakes no dispatcher.
func (b *bench) backlog(ctx context.Context, l *load, eventType string, n int) error {
	administrator, err := url.Parse(b.DatabaseURL)
	if err != nil {
		return err
	}
	// Any password works, because the stack's own server trusts this machine.
	// Without one an IAM token would be used.
	administrator.User = url.UserPassword(administrator.User.Username(), "trusted")
	db, err := pg.Open(ctx, administrator.String())
	if err != nil {
		return err
	}
	defer db.Close()
	var org id.Org
	if err := b.db.QueryRow(ctx, `SELECT id FROM organization WHERE name = 'Bench'`).Scan(&org); err != nil {
		return err
	}
	for first := 0; first < n; first += event.MaxBatch {
		drafts := make([]event.Draft, event.MaxBatch)
		for i := range drafts {
			data, _ := json.Marshal(sent{Run: l.run, Number: first + i, Pad: pad}) // a struct of int and string
			drafts[i] = event.Draft{Type: eventType, Data: data}
			l.sentN[first+i] = time.Now()
		}
		if err := db.InOrg(ctx, org, func(tx pg.Tx) error {
			_, _, err := event.Publish(ctx, tx, org, drafts, time.Now())
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}
