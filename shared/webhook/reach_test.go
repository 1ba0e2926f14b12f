package webhook_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"portico/shared/egress"
	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

func dialError(call string, errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(call, errno)}
}

// dialErrorAt is dialError of a connection to an address.
func dialErrorAt(ip string, errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 443}, Err: os.NewSyscallError("connect", errno)}
}

// Exhausted resources of our own, an unreachable receiver and errors of the
// receiver itself are distinguished, even if the error is wrapped several times.
func TestEgressErrors(t *testing.T) {
	resolver := func(e net.DNSError) error { return &net.OpError{Op: "dial", Net: "tcp", Err: &e} }
	for _, tt := range []struct {
		name                   string
		err                    error
		connected              bool
		exhausted, unreachable bool
	}{
		{"no error", nil, false, false, false},
		{"no files", dialError("socket", syscall.EMFILE), false, true, false},
		{"no files in the system", dialError("socket", syscall.ENFILE), false, true, false},
		{"no ports", dialError("connect", syscall.EADDRNOTAVAIL), false, true, false},
		{"no buffers", dialError("write", syscall.ENOBUFS), true, true, false},
		{"no memory", fmt.Errorf("wrapped: %w", dialError("socket", syscall.ENOMEM)), false, true, false},
		{"no files for the resolver", resolver(net.DNSError{Err: "dial udp 192.0.2.1:53: socket: too many open files"}), false, true, true},
		{"a resolver that does not answer", resolver(net.DNSError{Err: "i/o timeout", IsTimeout: true}), false, false, true},
		{"a resolver that is broken", resolver(net.DNSError{Err: "server misbehaving", IsTemporary: true}), false, false, true},
		{"a name that does not exist", resolver(net.DNSError{Err: "no such host", IsNotFound: true}), false, false, false},
		{"no network", dialError("connect", syscall.ENETUNREACH), false, false, true},
		{"no network to IPv4", dialErrorAt("192.0.2.1", syscall.ENETUNREACH), false, false, true},
		{"no ports to IPv4", dialErrorAt("192.0.2.1", syscall.EADDRNOTAVAIL), false, true, false},
		{"IPv6 only, and no route", dialErrorAt("2001:db8::1", syscall.ENETUNREACH), false, false, false},
		{"IPv6 only, and no address of ours", dialErrorAt("2001:db8::1", syscall.EADDRNOTAVAIL), false, false, false},
		{"IPv6 only, and no IPv6 at all", dialErrorAt("2001:db8::1", syscall.EAFNOSUPPORT), false, false, false},
		{"no way to the host", dialError("connect", syscall.EHOSTUNREACH), false, false, true},
		{"no way to the host any more", dialError("read", syscall.EHOSTUNREACH), true, false, false},
		{"no connection in time", context.DeadlineExceeded, false, false, true},
		{"no connection in the kernel's time", dialError("connect", syscall.ETIMEDOUT), false, false, true},
		{"no response in time", context.DeadlineExceeded, true, false, false},
		{"refused", dialError("connect", syscall.ECONNREFUSED), false, false, false},
		{"closed", dialError("read", syscall.ECONNRESET), true, false, false},
		{"a private address", fmt.Errorf("dial: %w", egress.ErrForbidden), false, false, false},
		{"stopped", context.Canceled, false, false, false},
	} {
		if got := webhook.IsExhausted(tt.err); got != tt.exhausted {
			t.Errorf("%s: exhausted is %v", tt.name, got)
		}
		if got := webhook.IsUnreachable(tt.err, tt.connected); got != tt.unreachable {
			t.Errorf("%s: unreachable is %v", tt.name, got)
		}
	}
}

// pass lets time pass inside a synctest bubble, which has its own clock.
func pass(d time.Duration) { <-time.After(d) }

// If hosts of three organizations cannot be reached, and no host was reached
// since the first one failed, the fault is ours: also for the first one, if the
// others follow within a second. The outage lasts until a receiver is reached. A
// single organization, or a single host that many send to, is not enough.
func TestReach(t *testing.T) {
	for _, tt := range []struct {
		name string
		// a, b, c … fail 100 ms apart, hosts of an organization each; 1, 2, 3 … are
		// hosts of one organization, A, B, C … are a host that a, b, c … share;
		// . waits a second; ! reaches a receiver.
		hosts string
		ours  string // the hosts whose failure is our fault, in the same order
	}{
		{"one host", "a", ""},
		{"one host again and again", "aaaa", ""},
		{"two hosts", "abab", ""},
		{"three hosts", "abc", "abc"},
		{"more hosts", "abcde", "abcde"},
		{"the third comes late", "ab.cd", "cd"},
		{"one was reached meanwhile", "ab!c", ""},
		{"one was reached meanwhile, and then none", "ab!cde", "cde"},
		{"an outage goes on", "abc.a", "abca"},
		{"an outage ends", "abc!a", "abc"},
		{"many hosts of one organization", "123451", ""},
		{"many hosts of one organization beside another's", "123a45", ""},
		{"many hosts of one organization beside two others'", "12ab3", "12ab3"},
		{"one host that many send to", "ABCDE", ""},
		{"one host that many send to, beside two more", "AbCd", "AbCd"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var r webhook.Reach
			var all sync.WaitGroup
			ours := make([]bool, len(tt.hosts))
			orgs := map[rune]id.Org{}
			org := func(name rune) id.Org {
				if orgs[name].IsZero() {
					orgs[name] = id.New[id.Org](time.Now())
				}
				return orgs[name]
			}
			for i, step := range tt.hosts {
				pass(100 * time.Millisecond)
				switch {
				case step == '.':
					pass(time.Second)
				case step == '!':
					r.Reached()
				case unicode.IsDigit(step):
					all.Go(func() { ours[i] = r.Failed(org('1'), string(step)) })
				case unicode.IsUpper(step):
					all.Go(func() { ours[i] = r.Failed(org(unicode.ToLower(step)), "shared") })
				default:
					all.Go(func() { ours[i] = r.Failed(org(step), string(step)) })
				}
				synctest.Wait()
			}
			all.Wait()
			got := ""
			for i, step := range tt.hosts {
				if ours[i] {
					got += string(step)
				}
			}
			if got != tt.ours {
				t.Errorf("%s: our fault are %q, want %q", tt.name, got, tt.ours)
			}
		})
	}
}

// If a try fails because of us, the wait grows with the event's age, so that
// there are few such tries in a day.
func TestEgressWait(t *testing.T) {
	tries := 0
	for age := time.Duration(0); age < 24*time.Hour; tries++ {
		wait := webhook.EgressWait(age)
		if wait < 30*time.Second || wait > 15*time.Minute {
			t.Fatalf("%s at the age of %s", wait, age)
		}
		age += wait
	}
	if tries > 130 {
		t.Errorf("%d tries in a day", tries)
	}
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
		{"three receivers without a route", 3, broken(dialError("connect", syscall.ENETUNREACH)), 0, 0},
		{"three receivers without a route for almost a day", 3, broken(dialError("connect", syscall.ENETUNREACH)), 23 * time.Hour, 0},
		{"three receivers without a route for more than a day", 3, broken(dialError("connect", syscall.ENETUNREACH)), 25 * time.Hour, 1},
		{"three receivers and no resolver", 3, broken(&net.DNSError{Err: "i/o timeout", IsTimeout: true}), 0, 0},
		{"three receivers and no resolver for more than a day", 3, broken(&net.DNSError{Err: "i/o timeout", IsTimeout: true}), 25 * time.Hour, 1},
		{"three receivers that do not connect", 3, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 0, 0},
		{"one receiver and no files", 1, broken(dialError("socket", syscall.EMFILE)), 0, 0},
		{"one receiver and no files for more than a day", 1, broken(dialError("socket", syscall.EMFILE)), 25 * time.Hour, 0},
		{"one receiver without a route", 1, broken(dialError("connect", syscall.EHOSTUNREACH)), 0, 1},
		{"one organization's five receivers without a route", -5, broken(dialError("connect", syscall.EHOSTUNREACH)), 0, 1},
		{"one organization's five receivers that do not connect", -5, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 0, 1},
		{"three receivers with IPv6 only", 3, broken(dialErrorAt("2001:db8::1", syscall.ENETUNREACH)), 0, 1},
		{"a receiver with IPv6 only, where we have none", 1, broken(dialErrorAt("2001:db8::1", syscall.EADDRNOTAVAIL)), 0, 1},
		{"three receivers that refuse", 3, broken(dialError("connect", syscall.ECONNREFUSED)), 0, 1},
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
			d.Sender = e.localSender(500 * time.Millisecond)
			webhook.Dial(d.Sender, func(ctx context.Context, network, _ string) (net.Conn, error) {
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
	d.Sender = e.localSender(300 * time.Millisecond)
	webhook.Dial(d.Sender, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, silent.Addr().String())
	})
	testkit.Must(t, d.Run(context.Background()))
	e.eachDelivery(orgs, func(got webhook.Delivery) {
		if got.Attempts != 1 {
			t.Errorf("%+v", got)
		}
	})
}
