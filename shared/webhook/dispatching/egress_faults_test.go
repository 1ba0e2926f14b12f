package dispatching_test

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/sending"
)

// If a try fails because of us, the wait grows with the event's age, so that
// there are few such tries in a day.
func TestEgressWait(t *testing.T) {
	tries := 0
	for age := time.Duration(0); age < 24*time.Hour; tries++ {
		wait := dispatching.EgressWait(age)
		if wait < 30*time.Second || wait > 15*time.Minute {
			t.Fatalf("%s at the age of %s", wait, age)
		}
		age += wait
	}
	if tries > 130 {
		t.Errorf("%d tries in a day", tries)
	}
}

// dialling is a sender that connects in its own way.
func (e *engine) dialling(timeout time.Duration, dial func(ctx context.Context, network, address string) (net.Conn, error)) *sending.Sender {
	e.t.Helper()
	transport := testkit.Loopback(e.t).Transport()
	transport.DialContext = dial
	return sending.Over(transport, e.Clock, timeout)
}

// A fault of ours does not count as a try: the delivery waits, and its first
// counted try succeeds when the fault is over. A receiver's fault counts.
// Unreachable hosts count too if they all belong to one organization, or if the
// event is older than a day.
func TestEgressFaults(t *testing.T) {
	t.Parallel()
	broken := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	for _, tt := range []struct {
		name     string
		orgs     int // with a receiver each; -5: one with five
		dial     func(ctx context.Context) error
		age      time.Duration // of the event
		attempts int16
	}{
		{"three receivers without a route", 3, broken(testkit.DialError("connect", syscall.ENETUNREACH)), 0, 0},
		{"three receivers without a route for almost a day", 3, broken(testkit.DialError("connect", syscall.ENETUNREACH)), 23 * time.Hour, 0},
		{"three receivers without a route for more than a day", 3, broken(testkit.DialError("connect", syscall.ENETUNREACH)), 25 * time.Hour, 1},
		{"three receivers and no resolver", 3, broken(&net.DNSError{Err: "i/o timeout", IsTimeout: true}), 0, 0},
		{"three receivers and no resolver for more than a day", 3, broken(&net.DNSError{Err: "i/o timeout", IsTimeout: true}), 25 * time.Hour, 1},
		{"three receivers that do not connect", 3, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 0, 0},
		{"one receiver and no files", 1, broken(testkit.DialError("socket", syscall.EMFILE)), 0, 0},
		{"one receiver and no files for more than a day", 1, broken(testkit.DialError("socket", syscall.EMFILE)), 25 * time.Hour, 0},
		{"one receiver without a route", 1, broken(testkit.DialError("connect", syscall.EHOSTUNREACH)), 0, 1},
		{"one organization's five receivers without a route", -5, broken(testkit.DialError("connect", syscall.EHOSTUNREACH)), 0, 1},
		{"one organization's five receivers that do not connect", -5, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 0, 1},
		{"three receivers with IPv6 only", 3, broken(testkit.DialErrorAt("2001:db8::1", syscall.ENETUNREACH)), 0, 1},
		{"a receiver with IPv6 only, where we have none", 1, broken(testkit.DialErrorAt("2001:db8::1", syscall.EADDRNOTAVAIL)), 0, 1},
		{"three receivers that refuse", 3, broken(testkit.DialError("connect", syscall.ECONNREFUSED)), 0, 1},
		{"three receivers that do not exist", 3, broken(&net.DNSError{Err: "no such host", IsNotFound: true}), 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			rec := testkit.NewReceiver(t, nil)
			var orgs []id.Org
			for i := range max(tt.orgs, -tt.orgs) {
				if i == 0 || tt.orgs > 0 {
					e.org = e.NewOrg(e.t)
					orgs = append(orgs, e.org)
				}
				e.endpoint(fmt.Sprintf("http://receiver-%d.test/", i), "*")
			}
			for _, e.org = range orgs {
				e.publish(`{}`)
			}
			e.Advance(t, tt.age)
			works := false
			d := e.dispatcher()
			d.Sender = e.dialling(500*time.Millisecond, func(ctx context.Context, network, _ string) (net.Conn, error) {
				if !works {
					return nil, tt.dial(ctx)
				}
				return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(rec.URL, "http://"))
			})
			testkit.Must(t, d.Run(context.Background()))
			e.eachDelivery(orgs, func(got webhook.Delivery) {
				wait := got.NextRetryAt.Sub(e.Clock.Now())
				if got.Status != webhook.Pending || got.Attempts != tt.attempts || len(e.attempts(got)) != int(tt.attempts) || wait > 17*time.Minute {
					t.Errorf("%+v", got)
				}
			})
			faults := 0
			if tt.attempts == 0 {
				faults = len(orgs)
			}
			if n := e.sum("EgressFaults"); n != faults || strings.Contains(e.lines.String(), "our own network failed") != (faults > 0) {
				t.Errorf("%d egress faults, want %d: %s", n, faults, e.lines)
			}
			works = true
			e.Advance(t, 17*time.Minute)
			testkit.Must(t, d.Run(context.Background()))
			e.eachDelivery(orgs, func(got webhook.Delivery) {
				if got.Status != webhook.Delivered || got.Attempts != tt.attempts+1 {
					t.Errorf("afterwards: %+v", got)
				}
			})
		})
	}
}

// eachDelivery calls do with every delivery of these organizations, as one of them.
func (e *engine) eachDelivery(orgs []id.Org, do func(webhook.Delivery)) {
	e.t.Helper()
	for _, e.org = range orgs {
		list := e.deliveries(webhook.DeliveryFilter{})
		if len(list) == 0 {
			e.t.Errorf("%s has no delivery", e.org)
		}
		for _, d := range list {
			do(d)
		}
	}
}

// sum adds up a metric over all log lines.
func (e *engine) sum(metric string) (n int) {
	e.t.Helper()
	for _, found := range regexp.MustCompile(`"`+metric+`":(\d+)`).FindAllStringSubmatch(e.lines.String(), -1) {
		one, err := strconv.Atoi(found[1])
		testkit.Must(e.t, err)
		n += one
	}
	return n
}

// Receivers that accept a connection and then do not answer are reached: these
// tries count, even if there are many such receivers.
func TestStalledHandshakes(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	defer silent.Close()
	var orgs []id.Org
	for i := range 3 {
		e.org = e.NewOrg(e.t)
		orgs = append(orgs, e.org)
		e.endpoint(fmt.Sprintf("https://receiver-%d.test/", i), "*")
		e.publish(`{}`)
	}
	d := e.dispatcher()
	d.Sender = e.dialling(300*time.Millisecond, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, silent.Addr().String())
	})
	testkit.Must(t, d.Run(context.Background()))
	e.eachDelivery(orgs, func(got webhook.Delivery) {
		if got.Attempts != 1 {
			t.Errorf("%+v", got)
		}
	})
}
