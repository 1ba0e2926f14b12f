package erasure_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"portico/shared/consumer"
	"portico/shared/erasure"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/job/jobtest"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// While erasures run, nobody's transaction ends because it and an erasure wait for each
// other: not those that publish with ordering keys, read the stream, acknowledge, or
// expunge one event. In the end all of the person's events are expunged.
func TestErasureWhileOthersWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := consumer.New("reader", w.Clock.Now())
	reader.EventTypes = []string{"*"}
	w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
		return consumer.Insert(ctx, tx, w.org, reader, "secret", testkit.Box(t))
	})
	batch := func() (drafts []event.Draft) {
		for range 20 {
			drafts = append(drafts, keyed("Ada", fmt.Sprint(rand.IntN(10))))
		}
		return drafts
	}
	var published []id.Event
	for range 15 {
		published = append(published, w.publish(batch()...)...)
	}
	w.Advance(t, 3*time.Minute)
	for range 2 {
		w.start(erasure.New{Person: ada})
	}
	stop, failed := make(chan struct{}), make(chan error, 100)
	var others sync.WaitGroup
	for _, do := range []func(ctx context.Context, tx pg.Tx) error{
		func(ctx context.Context, tx pg.Tx) error {
			_, _, err := event.Publish(ctx, tx, w.org, batch(), w.Clock.Now())
			return err
		},
		func(ctx context.Context, tx pg.Tx) error {
			items, err := consumer.Read(ctx, tx, w.org, reader.ID, 50)
			if err != nil || len(items) == 0 {
				return err
			}
			if _, err := consumer.Acknowledge(ctx, tx, w.org, reader.ID, items[0].Position, true, ""); err != nil {
				return err
			}
			// The others are due again, in another order than that of their ids.
			return pg.Exec(ctx, tx, "test", `UPDATE event_consumer_item SET tries = 0, next_at = portico_now() - random() * interval '1 hour' WHERE consumer_id = $1`, reader.ID)
		},
		func(ctx context.Context, tx pg.Tx) error {
			_, _, _, err := event.Expunge(ctx, tx, w.org, published[rand.IntN(len(published))])
			return err
		},
	} {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := w.App.InOrg(context.Background(), w.org, func(tx pg.Tx) error { return do(context.Background(), tx) }); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	var runners sync.WaitGroup
	for range 2 {
		runner := w.newRunner()
		runners.Go(func() {
			for range 3 {
				jobtest.Drain(t, runner)
			}
		})
	}
	runners.Wait()
	close(stop)
	others.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	w.Advance(t, 3*time.Minute)
	w.work()
	state := testkit.Value[json.RawMessage](t, w.Database, `
		SELECT json_build_object('succeeded', (SELECT count(*) FROM erasure WHERE status = 'succeeded'), 'tries', (SELECT coalesce(sum(attempts), 0) FROM job_log),
			'left', (SELECT count(*) FROM event WHERE id = ANY ($1) AND expunged_at IS NULL))`, published)
	if string(state) != `{"succeeded" : 2, "tries" : 0, "left" : 0}` {
		t.Error(string(state))
	}
}
