package fanout_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// A publish locks no ordering key while it evaluates slow filters: others can
// publish with the same key in that time.
func TestSlowFiltersHoldNoKey(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	for range 20 {
		endpoint := p.endpoint("https://example.com/", "slow")
		p.setOptions(endpoint, webhook.OptionsChange{Filter: new(`all(data, # in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])`)})
	}
	key, data := "a", json.RawMessage(`[`+strings.Repeat(`0,`, 50_000)+`9]`)
	drafts := make([]event.Draft, 1000)
	for i := range drafts {
		drafts[i] = event.Draft{Type: "slow", Data: data, OrderingKey: &key}
	}
	slowly, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- p.App.InOrg(slowly, p.org, func(tx pg.Tx) error {
			_, _, err := event.Publish(slowly, tx, p.org, drafts, p.Clock.Now())
			return err
		})
	}()
	testkit.Await(t, "the slow publish to evaluate", func() bool {
		return testkit.Value[bool](t, p.Database, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND usename = 'portico_app' AND state = 'idle in transaction')`)
	})
	for range 20 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := p.App.InOrg(ctx, p.org, func(tx pg.Tx) error {
			_, _, err := event.Publish(ctx, tx, p.org, []event.Draft{{Type: "fast", Data: json.RawMessage(`1`), OrderingKey: &key}}, p.Clock.Now())
			return err
		})
		cancel()
		if err != nil {
			t.Fatalf("another publish with the key: %v", err)
		}
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "event.match") {
		t.Errorf("the slow publish was not evaluating any more: %v", err)
	}
}
