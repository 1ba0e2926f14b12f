package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"portico/shared/event"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/fanout"
)

// An operational event names the endpoint that it is about as the one that does
// not get it, when it is published and later.
func TestNoEndpointIsToldAboutItself(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	about, _ := e.endpoint("https://example.com/a", "webhook_endpoint.*")
	e.endpoint("https://example.com/b", "webhook_endpoint.*")
	published := e.publishDrafts([]event.Draft{{
		Type: webhook.EventFailing, About: about, Data: json.RawMessage(`{"endpoint_id":"` + about.String() + `"}`),
	}})[0]
	var later event.Event
	e.InOrg(t, e.org, func(ctx context.Context, tx pg.Tx) (err error) {
		later, err = event.Get(ctx, tx, e.org, published.ID)
		return err
	})
	want := fmt.Sprintf("{1 [{%s %s}]}", about, fanout.SkippedAbout)
	for _, got := range []fanout.Fanout{published.Fanout, later.Fanout} {
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}
