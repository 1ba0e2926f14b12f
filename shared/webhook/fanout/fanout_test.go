package fanout_test

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
	p := newPublisher(t)
	about := p.endpoint("https://example.com/a", "webhook_endpoint.*")
	p.endpoint("https://example.com/b", "webhook_endpoint.*")
	events, _ := p.publish(event.Draft{
		Type: webhook.EventFailing, About: about, Data: json.RawMessage(`{"endpoint_id":"` + about.String() + `"}`),
	})
	var later event.Event
	p.InOrg(t, p.org, func(ctx context.Context, tx pg.Tx) (err error) {
		later, err = event.Get(ctx, tx, p.org, events[0].ID)
		return err
	})
	want := fmt.Sprintf("{1 [{%s %s}]}", about, fanout.SkippedAbout)
	for _, got := range []fanout.Fanout{events[0].Fanout, later.Fanout} {
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}
