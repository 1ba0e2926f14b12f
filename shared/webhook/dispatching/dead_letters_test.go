package dispatching_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"portico/shared/consumer"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// A consumer of an endpoint's dead letters is given those that the endpoint has, and each
// later one when its last try has failed; not those of another endpoint, and none that
// was delivered.
func TestConsumersReadDeadLetters(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	down := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	failing, _ := e.endpoint(down.URL, "*")
	other, _ := e.endpoint(down.URL, "*")
	e.endpoint(testkit.NewReceiver(t, nil).URL, "*")
	for _, endpoint := range []id.WebhookEndpoint{failing, other} {
		e.setOptions(endpoint, webhook.OptionsChange{RetryPolicy: new("best_effort")})
	}
	before := e.publish(`1`)[0]
	e.dispatch()
	c := consumer.New("dead", e.Clock.Now())
	c.DeadLettersOf = failing
	e.InOrg(t, e.org, func(ctx context.Context, tx pg.Tx) error {
		return consumer.Insert(ctx, tx, e.org, c, "whsec_", e.box)
	})
	e.Advance(t, time.Minute) // the breaker is closed again
	after := e.publish(`2`)[0]
	e.dispatch()
	var items []consumer.Item
	e.InOrg(t, e.org, func(ctx context.Context, tx pg.Tx) (err error) {
		items, err = consumer.Read(ctx, tx, e.org, c.ID, 10)
		return err
	})
	if len(items) != 2 || items[0].EventID != before.ID || items[1].EventID != after.ID || string(items[1].Payload) != string(after.Payload) {
		t.Errorf("the dead letters are %+v, want %s and %s", items, before.ID, after.ID)
	}
}
