package fanout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/eventtype"
	"portico/shared/fault"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// newType adds a type to the catalog that demands a schema.
func (p *publisher) newType(name, schema string) {
	p.t.Helper()
	p.InOrg(p.t, p.org, func(ctx context.Context, tx pg.Tx) error {
		now := p.Clock.Now()
		if err := eventtype.Insert(ctx, tx, p.org, eventtype.Type{Name: name, Validation: eventtype.Required, CreatedAt: now}); err != nil {
			return err
		}
		_, _, err := eventtype.AddVersion(ctx, tx, p.org, name, eventtype.NewVersion{Schema: json.RawMessage(schema)}, "key_1", now)
		return err
	})
}

// A publish that is validated takes one round trip, as others do, once its schema is
// kept. A change of the catalog by anybody counts from its commit on, whether it
// refuses or accepts an event.
func TestCatalogChangesCountAtOnce(t *testing.T) {
	t.Parallel()
	p, ctx := newPublisher(t), context.Background()
	wire := testkit.NewWire(t, p.URL("portico_app"))
	v := newEnvironment(t, wire.URL)
	p.endpoint("https://example.com/", "group:billing")
	p.newType("a", `{"type":"object","required":["n"]}`)
	change := func(change eventtype.Change) func() {
		return func() {
			p.InOrg(t, p.org, func(ctx context.Context, tx pg.Tx) error {
				_, _, err := eventtype.Update(ctx, tx, p.org, "a", change, p.Clock.Now())
				return err
			})
		}
	}
	for _, step := range []struct {
		name   string
		change func()
		want   int // deliveries, or -1: it is refused
		trips  int // most of the publish after the change; 0: as many as a change takes
	}{
		{"nothing", func() {}, 0, 1},
		{"a group", change(eventtype.Change{Group: new("billing")}), 1, 0},
		{"a description", change(eventtype.Change{Description: new("x")}), 1, 1},
		{"archived", change(eventtype.Change{Archived: new(true)}), -1, 0},
		{"still archived", func() {}, -1, 4}, // begin and check, rollback
		{"in use", change(eventtype.Change{Archived: new(false)}), 1, 0},
		{"another schema", func() {
			p.InOrg(t, p.org, func(ctx context.Context, tx pg.Tx) error {
				_, _, err := eventtype.AddVersion(ctx, tx, p.org, "a", eventtype.NewVersion{Schema: json.RawMessage(`{"required":["m"]}`)}, "key_1", p.Clock.Now())
				return err
			})
		}, -1, 0},
		{"the first schema", change(eventtype.Change{Version: new(int32(1))}), 1, 0},
		{"another group", change(eventtype.Change{Group: new("orders")}), 0, 0},
		{"deleted", func() {
			p.InOrg(t, p.org, func(ctx context.Context, tx pg.Tx) error {
				_, err := eventtype.Delete(ctx, tx, p.org, "a")
				return err
			})
		}, 0, 0},
	} {
		for range 2 { // keeps the catalog and the session's statements
			_, _ = v.publish(ctx, p.org, "a")
		}
		step.change()
		wire.Trips()
		got, err := v.publish(ctx, p.org, "a")
		if step.want < 0 && (fault.Of(err) == nil || fault.Of(err).Kind != fault.Invalid) || step.want >= 0 && (err != nil || got != step.want) {
			t.Errorf("after %s: %d deliveries, %v; want %d", step.name, got, err, step.want)
		}
		if n, most := wire.Trips(), step.trips; most > 0 && n > most {
			t.Errorf("after %s a publish took %d round trips", step.name, n)
		}
	}
}

// A validation ends with the request, and so does a batch of many slow ones.
func TestSlowSchemasEndWithTheRequest(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	p.newType("slow", `{"$ref":"#/$defs/d0","$defs":{`+doubled(40)+`"d40":{"type":"string"}}}`)
	drafts := make([]event.Draft, 100)
	for i := range drafts {
		drafts[i] = event.Draft{Type: "slow", Data: json.RawMessage(`1`)}
	}
	publish := func(ctx context.Context, drafts []event.Draft) error {
		return p.App.InOrg(context.Background(), p.org, func(tx pg.Tx) error {
			_, _, err := event.Publish(ctx, tx, p.org, drafts, p.Clock.Now())
			return err
		})
	}
	if err := publish(context.Background(), drafts[:1]); fault.Of(err) == nil || !strings.Contains(fmt.Sprint(fault.Of(err).Fields), "too many steps") {
		t.Errorf("one event: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := publish(ctx, drafts); !errors.Is(err, event.ErrSlow) {
		t.Errorf("many events: %v", err)
	}
}

// doubled returns definitions that each refer twice to the next one.
func doubled(n int) string {
	var defs strings.Builder
	for i := range n {
		fmt.Fprintf(&defs, `"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	return defs.String()
}
