// Package demo shows a delivery and a retry on the running local stack: an event
// is published, delivered and verified; a receiver that first answers 500 gets
// it again. It uses only the public API, like a customer.
package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Options name the stack to use.
type Options struct {
	URL       string // of the API
	InboxURL  string // the inbox, for the commands that Run prints
	StateFile string // remembers the demo organization between starts
	Out       io.Writer
	// Bootstrap invokes BootstrapFunction.
	Bootstrap func(ctx context.Context, payload []byte) ([]byte, error)
	// RetryNow makes a delivery's next try due, to avoid waiting a minute.
	RetryNow func(ctx context.Context, event string) error
}

// Demo is the demo organization and its receiver, which keeps serving.
type Demo struct {
	opts     Options
	state    state
	receiver *receiver
	api      client
}

// patience bounds each step of the demonstration.
const patience = 30 * time.Second

// Run prepares the demo organization, shows a delivery and a retry, and leaves
// the receiver running until Close.
func Run(ctx context.Context, opts Options) (*Demo, error) {
	d := &Demo{opts: opts}
	var err error
	if d.receiver, err = newReceiver(); err != nil {
		return nil, err
	}
	if err := d.prepare(ctx); err != nil {
		d.Close()
		return nil, err
	}
	if err := d.deliver(ctx); err != nil {
		d.Close()
		return nil, err
	}
	if err := d.retry(ctx); err != nil {
		d.Close()
		return nil, err
	}
	d.explain()
	return d, nil
}

// Close stops the receiver.
func (d *Demo) Close() { d.receiver.close() }

func (d *Demo) say(format string, args ...any) { fmt.Fprintf(d.opts.Out, format+"\n", args...) }

// prepare loads or creates the organization, its key and its two endpoints.
func (d *Demo) prepare(ctx context.Context) error {
	d.state = loadState(d.opts.StateFile)
	d.api = client{url: d.opts.URL, key: d.state.APIKey}
	if status, _ := d.api.call(ctx, http.MethodGet, "/v1/webhook-endpoints", nil, nil); status != http.StatusOK {
		if err := d.create(ctx); err != nil {
			return err
		}
	}
	for path, e := range d.state.Endpoints {
		// The receiver's port differs from start to start.
		change := map[string]any{"url": d.receiver.url + path}
		if err := d.api.must(ctx, http.MethodPatch, "/v1/webhook-endpoints/"+e.ID, change, nil); err != nil {
			return err
		}
		d.receiver.expect(path, e.Secret)
	}
	return nil
}

func (d *Demo) create(ctx context.Context) error {
	reply, err := d.opts.Bootstrap(ctx, []byte(`{"command":"create_organization","name":"Demo","key_name":"demo"}`))
	if err != nil {
		return fmt.Errorf("demo: bootstrap: %w", err)
	}
	if d.state, err = newState(reply); err != nil {
		return err
	}
	d.api.key = d.state.APIKey
	for path, eventType := range map[string]string{okPath: "demo.delivered", flakyPath: "demo.retried"} {
		var made endpoint
		body := map[string]any{"url": d.receiver.url + path, "event_types": []string{eventType}, "description": "the local stack's own receiver"}
		if err := d.api.must(ctx, http.MethodPost, "/v1/webhook-endpoints", body, &made); err != nil {
			return err
		}
		d.state.Endpoints[path] = made
	}
	return d.state.save(d.opts.StateFile)
}

// publish publishes one event and returns its id and the time.
func (d *Demo) publish(ctx context.Context, eventType string) (string, time.Time, error) {
	start := time.Now()
	var event struct{ ID string }
	err := d.api.must(ctx, http.MethodPost, "/v1/events", map[string]any{"type": eventType, "data": map[string]any{"total": 42}}, &event)
	return event.ID, start, err
}

func (d *Demo) deliver(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	event, start, err := d.publish(ctx, "demo.delivered")
	if err != nil {
		return err
	}
	d.say("  published   %s", event)
	got, err := d.receiver.next(ctx, event)
	if err != nil {
		return err
	}
	d.say("  delivered   after %d ms; signature verified: %v", got.at.Sub(start).Milliseconds(), got.verified)
	if !got.verified {
		return fmt.Errorf("demo: the signature of %s is not valid", event)
	}
	return nil
}

func (d *Demo) retry(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	event, _, err := d.publish(ctx, "demo.retried")
	if err != nil {
		return err
	}
	first, err := d.receiver.next(ctx, event)
	if err != nil {
		return err
	}
	d.say("  published   %s to a receiver that fails first\n  answered    %d; the next try is due in a minute: made due now, for this demonstration", event, first.answered)
	if err := d.opts.RetryNow(ctx, event); err != nil {
		return err
	}
	second, err := d.receiver.next(ctx, event)
	if err != nil {
		return err
	}
	d.say("  answered    %d on the second try; same body: %v", second.answered, second.body == first.body)
	return nil
}

// explain prints the README's commands with the address and key of this run.
func (d *Demo) explain() {
	d.say("\nTry it, in another terminal. The key is the demo organization's.\n\n  export PORTICO_URL=%s PORTICO_KEY=%s\n", d.opts.URL, d.state.APIKey)
	d.say(`  curl -s $PORTICO_URL/v1/webhook-endpoints -H "Authorization: Bearer $PORTICO_KEY" \
    -H 'Content-Type: application/json' \
    -d '{"url":"'$PORTICO_URL'/_local/inbox","event_types":["invoice.*"]}'

  curl -s $PORTICO_URL/v1/events -H "Authorization: Bearer $PORTICO_KEY" \
    -H 'Content-Type: application/json' -d '{"type":"invoice.paid","data":{"id":"in_1","total":1.10}}'
`)
	d.say("Then look into the inbox: %s\n", d.opts.InboxURL)
}
