package dispatching_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/signing"
)

// A sealed value that cannot be opened affects its own endpoint only; all other
// deliveries are sent. The endpoint's deliveries wait without a try, five minutes
// at a time, and its backlog is not claimed again and again. When the value is
// repaired, all are sent.
func TestUnopenedEndpoint(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	rec, good := testkit.NewReceiver(t, nil), testkit.NewReceiver(t, nil)
	damages := map[string]string{
		"a secret of an unknown version": `UPDATE webhook_secret SET sealed = set_byte(sealed, 0, get_byte(sealed, 0) # 128) WHERE endpoint_id = $1`,
		"a damaged secret":               `UPDATE webhook_secret SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE endpoint_id = $1`,
		"custom headers":                 `UPDATE webhook_endpoint SET sealed_headers = set_byte(sealed_headers, 20, get_byte(sealed_headers, 20) # 1) WHERE id = $1`,
		"a signing key":                  `UPDATE webhook_endpoint SET sealed_key = set_byte(sealed_key, 20, get_byte(sealed_key, 20) # 1) WHERE id = $1`,
		"a client certificate's key":     `UPDATE webhook_endpoint SET sealed_client_key = set_byte(sealed_client_key, 20, get_byte(sealed_client_key, 20) # 1) WHERE id = $1`,
	}
	var bad []id.WebhookEndpoint
	toggle := func() { // each of them undoes itself
		for i, name := range slices.Sorted(maps.Keys(damages)) {
			if tag, err := e.Admin.Exec(ctx, damages[name], bad[i]); err != nil || tag.RowsAffected() != 1 {
				t.Fatalf("%s: %d rows, %v", name, tag.RowsAffected(), err)
			}
		}
	}
	for range damages {
		endpoint, _ := e.endpoint(rec.URL, "*")
		e.setOptions(endpoint, webhook.OptionsChange{
			SignatureScheme: new(signing.SchemeStandardAsymmetric), CustomHeaders: map[string]string{"X-Tenant": "acme"},
		})
		e.setCertificate(endpoint, testkit.NewAuthority(t), testkit.ECDSA(t))
		bad = append(bad, endpoint)
	}
	toggle()
	acme := e.org
	e.publish(strings.Split(strings.Repeat("1,", 39)+"1", ",")...)
	e.org = e.NewOrg(e.t)
	e.endpoint(good.URL, "*")
	e.publish(`1`, `2`)
	e.dispatch()
	if n := len(good.All()); n != 2 || len(rec.All()) != 0 {
		t.Errorf("%d of 2 are delivered to the other organization, %d to endpoints that cannot be opened", n, len(rec.All()))
	}
	faults := e.sum("SealingFaults")
	if !strings.Contains(e.lines.String(), "cannot be opened") || faults == 0 {
		t.Errorf("%d faults are counted in the log\n%s", faults, e.lines)
	}
	e.dispatch()
	if n := e.sum("SealingFaults"); n != faults {
		t.Errorf("%d more claims within the five minutes", n-faults)
	}
	e.Advance(t, 5*time.Minute)
	e.dispatch()
	if n := e.sum("SealingFaults") - faults; n != len(bad) {
		t.Errorf("%d claims after five minutes, want one for each of %d endpoints", n, len(bad))
	}
	e.org = acme
	for _, d := range e.deliveries(webhook.DeliveryFilter{}) {
		if d.Status != webhook.Pending || d.Attempts != 0 {
			t.Fatalf("%s is %s after %d tries", d.ID, d.Status, d.Attempts)
		}
	}
	toggle()
	e.Advance(t, 5*time.Minute)
	e.dispatch()
	if n := e.count(webhook.Delivered); n != 40*len(bad) {
		t.Errorf("%d delivered after the repair, want %d", n, 40*len(bad))
	}
}

// If the lane of an endpoint that cannot be opened is locked, the dispatcher
// still serves the other endpoints.
func TestUnopenedEndpointWithALockedLane(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	good := testkit.NewReceiver(t, nil)
	bad, _ := e.endpoint("https://example.com/", "*")
	e.Exec(t, `UPDATE webhook_secret SET sealed = set_byte(sealed, 0, 200) WHERE endpoint_id = $1`, bad)
	e.endpoint(good.URL, "*")
	e.InOrg(t, e.org, func(ctx context.Context, tx pg.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM webhook_lane WHERE endpoint_id = $1 FOR UPDATE`, bad); err != nil {
			return err
		}
		e.publish(`1`)
		end := e.run(ctx, e.dispatcher())
		testkit.Await(t, "the other endpoint's delivery", func() bool { return len(good.All()) == 1 })
		return end()
	})
}

// What was held for an endpoint that cannot be opened can be dropped all the same.
func TestDropWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	bad, _ := e.endpoint("https://example.com/", "*")
	e.Exec(t, `UPDATE webhook_secret SET sealed = set_byte(sealed, 0, 200) WHERE endpoint_id = $1`, bad)
	e.publish(`1`, `2`)
	e.change(bad, webhook.EndpointChange{Status: new(webhook.Disabled)})
	e.change(bad, webhook.EndpointChange{Status: new(webhook.Enabled), DropHeld: true})
	e.dispatch()
	if n := e.count(webhook.Failed); n != 2 {
		t.Errorf("%d of 2 are dropped", n)
	}
}

// A dispatcher that was awake before the sealing keys were rotated reads the keys
// again and delivers to endpoints that were made after the rotation.
func TestDispatcherAfterRotationOfSealingKeys(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	first, second := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	stored, reads := atomic.Value{}, atomic.Int64{}
	box := func() *secret.Box {
		box, err := secret.New(func() ([]byte, error) {
			reads.Add(1)
			return []byte(stored.Load().(string)), nil
		})
		testkit.Must(t, err)
		return box
	}
	stored.Store(fmt.Sprintf(`{"current":"1","1":%q}`, first))
	warm := e.dispatcher()
	warm.Box = box()
	stored.Store(fmt.Sprintf(`{"current":"2","1":%q,"2":%q}`, first, second))
	e.box = box()
	reads.Store(0)
	rec := testkit.NewReceiver(t, nil)
	for range 3 {
		e.endpoint(rec.URL, "*")
	}
	e.publish(`1`, `2`)
	testkit.Must(t, warm.Run(context.Background()))
	if len(rec.All()) != 6 || reads.Load() != 1 {
		t.Errorf("%d of 6 delivered, the keys read %d times, want once", len(rec.All()), reads.Load())
	}
}
