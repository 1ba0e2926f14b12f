package dispatching_test

import (
	"context"
	"testing"
	"time"

	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// A dispatcher reads an endpoint and its secrets once, and again after every
// change. TestRotation and TestKeyPairRotation show that secrets end in time.
func TestEndpointsAreKept(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	first, second := testkit.NewReceiver(t, nil), testkit.NewReceiver(t, nil)
	endpoint, _ := e.endpoint(first.URL, "*")
	deliver := func() {
		e.publish(`1`)
		e.dispatch()
	}
	deliver()
	e.Exec(t, `REVOKE SELECT ON webhook_secret FROM portico_worker`)
	deliver()
	if n := len(first.All()); n != 2 {
		t.Fatalf("%d deliveries while the secrets could not be read, want 2", n)
	}
	e.Exec(t, `GRANT SELECT ON webhook_secret TO portico_worker`)

	e.setOptions(endpoint, webhook.OptionsChange{CustomHeaders: map[string]string{"X-Shop": "north"}})
	deliver()
	if all := first.All(); len(all) != 3 || all[2].Header.Get("X-Shop") != "north" {
		t.Errorf("%d deliveries; a new header did not arrive", len(all))
	}
	e.Exec(t, `UPDATE webhook_endpoint SET url = $1`, second.URL)
	deliver()
	if len(first.All()) != 3 || len(second.All()) != 1 {
		t.Errorf("%d and %d deliveries to the old and the new URL, want 3 and 1", len(first.All()), len(second.All()))
	}
	e.publish(`1`)
	testkit.Must(t, e.App.InOrg(context.Background(), e.org, func(tx pg.Tx) error {
		_, err := webhook.DeleteEndpoint(context.Background(), tx, e.org, endpoint, time.Now())
		return err
	}))
	e.dispatch()
	if len(second.All()) != 1 {
		t.Error("a deleted endpoint got a delivery")
	}
}
