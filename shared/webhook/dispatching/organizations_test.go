package dispatching_test

import (
	"context"
	"net/http"
	"testing"

	stripe "github.com/stripe/stripe-go/v76/webhook"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/signing"
)

// A dispatcher keeps organizations apart in all that it claims, remembers and
// records, even if two organizations have endpoints with the same id and events
// with the same ordering key. Each one's payloads go to its own receiver with its
// own secret, and failures of one do not count for the other.
func TestOrganizationsDispatchApart(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	acme, evil := e.org, e.NewOrg(e.t)
	shared := id.New[id.WebhookEndpoint](e.Clock.Now())
	receivers, secrets := map[id.Org]*testkit.Receiver{}, map[id.Org]string{}
	for _, org := range []id.Org{acme, evil} {
		receivers[org] = testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			if org == evil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		secrets[org], e.org = signing.NewSecret(), org
		endpoint := webhook.NewEndpoint(receivers[org].URL, []string{"*"}, e.Clock.Now())
		endpoint.ID = shared
		e.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
			return webhook.InsertEndpoint(ctx, tx, org, endpoint, secrets[org], e.box)
		})
		e.setOptions(shared, webhook.OptionsChange{Ordered: new(true)})
		e.publishKeys("k", "k", "k", "k")
		e.publish(`1`, `2`, `3`, `4`, `5`, `6`) // more failures than open a breaker
	}
	e.dispatch()
	for org, want := range map[id.Org]webhook.Status{acme: webhook.Delivered, evil: webhook.Pending} {
		e.org = org
		list := e.deliveries(webhook.DeliveryFilter{})
		for _, d := range list {
			if d.Status != want {
				t.Errorf("%s: %s is %s", org, d.ID, d.Status)
			}
		}
		if len(list) != 10 {
			t.Errorf("%s has %d deliveries", org, len(list))
		}
		for _, r := range receivers[org].All() {
			if err := stripe.ValidatePayload(r.Body, r.Header.Get("Webhook-Signature"), secrets[org]); err != nil {
				t.Errorf("%s: %v", org, err)
			}
		}
	}
	if n := len(receivers[acme].All()); n != 10 {
		t.Errorf("acme got %d requests, want its own ten", n)
	}
}
