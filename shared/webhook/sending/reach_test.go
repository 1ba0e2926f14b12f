package sending_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"portico/shared/egress"
	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook/sending"
)

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
		{"no files", testkit.DialError("socket", syscall.EMFILE), false, true, false},
		{"no files in the system", testkit.DialError("socket", syscall.ENFILE), false, true, false},
		{"no ports", testkit.DialError("connect", syscall.EADDRNOTAVAIL), false, true, false},
		{"no buffers", testkit.DialError("write", syscall.ENOBUFS), true, true, false},
		{"no memory", fmt.Errorf("wrapped: %w", testkit.DialError("socket", syscall.ENOMEM)), false, true, false},
		{"no files for the resolver", resolver(net.DNSError{Err: "dial udp 192.0.2.1:53: socket: too many open files"}), false, true, true},
		{"a resolver that does not answer", resolver(net.DNSError{Err: "i/o timeout", IsTimeout: true}), false, false, true},
		{"a resolver that is broken", resolver(net.DNSError{Err: "server misbehaving", IsTemporary: true}), false, false, true},
		{"a name that does not exist", resolver(net.DNSError{Err: "no such host", IsNotFound: true}), false, false, false},
		{"no network", testkit.DialError("connect", syscall.ENETUNREACH), false, false, true},
		{"no network to IPv4", testkit.DialErrorAt("192.0.2.1", syscall.ENETUNREACH), false, false, true},
		{"no ports to IPv4", testkit.DialErrorAt("192.0.2.1", syscall.EADDRNOTAVAIL), false, true, false},
		{"IPv6 only, and no route", testkit.DialErrorAt("2001:db8::1", syscall.ENETUNREACH), false, false, false},
		{"IPv6 only, and no address of ours", testkit.DialErrorAt("2001:db8::1", syscall.EADDRNOTAVAIL), false, false, false},
		{"IPv6 only, and no IPv6 at all", testkit.DialErrorAt("2001:db8::1", syscall.EAFNOSUPPORT), false, false, false},
		{"no way to the host", testkit.DialError("connect", syscall.EHOSTUNREACH), false, false, true},
		{"no way to the host any more", testkit.DialError("read", syscall.EHOSTUNREACH), true, false, false},
		{"no connection in time", context.DeadlineExceeded, false, false, true},
		{"no connection in the kernel's time", testkit.DialError("connect", syscall.ETIMEDOUT), false, false, true},
		{"no response in time", context.DeadlineExceeded, true, false, false},
		{"refused", testkit.DialError("connect", syscall.ECONNREFUSED), false, false, false},
		{"closed", testkit.DialError("read", syscall.ECONNRESET), true, false, false},
		{"a private address", fmt.Errorf("dial: %w", egress.ErrForbidden), false, false, false},
		{"stopped", context.Canceled, false, false, false},
	} {
		if got := sending.IsExhausted(tt.err); got != tt.exhausted {
			t.Errorf("%s: exhausted is %v", tt.name, got)
		}
		if got := sending.IsUnreachable(tt.err, tt.connected); got != tt.unreachable {
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
			var r sending.Reach
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
