package webhook

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"portico/shared/id"
)

const (
	// outageWitnesses is how many organizations must each have a host of its own
	// out of reach, while no host is reached, for the fault to be ours. So one
	// organization cannot make its dead hosts look like an outage of our own.
	outageWitnesses = 3
	// suspense is how long a try that reached nobody waits for others to show
	// whose fault it is, so that those that fail first are not counted either.
	suspense = time.Second
	// excusedFor is how old an event may be for its tries not to count when hosts
	// are out of reach. A quiet stack whose only receivers are a few dead hosts
	// looks like an outage of our own: without a bound its deliveries would never
	// fail, nor its endpoints be disabled. With the waits of egressWait that makes
	// about 130 tries that do not count.
	excusedFor = 24 * time.Hour
)

// reach tells an outage of our own network or resolver from receivers that
// cannot be reached. Its zero value is ready; it is safe for concurrent use.
type reach struct {
	mu  sync.Mutex
	now *outage // nil: nothing has failed since a receiver was last reached
}

// outage is a time in which no receiver was reached.
type outage struct {
	// Each host that was out of reach counts for the first organization that met
	// it, and each organization for one host.
	hosts   map[string]bool
	orgs    map[id.Org]bool
	ours    bool          // the organizations are enough: the fault is ours
	decided chan struct{} // closed when the fault is ours, or when a receiver is reached
}

// reached ends an outage: our network works.
func (r *reach) reached() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now != nil && !r.now.ours {
		close(r.now.decided)
	}
	r.now = nil
}

// failed notes that an organization's host is out of reach and reports whether
// the fault is ours. It blocks until that is decided, for suspense at most.
func (r *reach) failed(ctx context.Context, org id.Org, host string) bool {
	s := r.note(org, host)
	t := time.NewTimer(suspense)
	defer t.Stop()
	select {
	case <-s.decided:
	case <-t.C:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.ours
}

func (r *reach) note(org id.Org, host string) *outage {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		r.now = &outage{hosts: map[string]bool{}, orgs: map[id.Org]bool{}, decided: make(chan struct{})}
	}
	if s := r.now; !s.ours && !s.hosts[host] && !s.orgs[org] {
		s.hosts[host], s.orgs[org] = true, true
		if s.ours = len(s.orgs) >= outageWitnesses; s.ours {
			close(s.decided)
		}
	}
	return r.now
}

// watch returns a context for a request and whether a connection for it was
// there. A new connection is news for reach; a kept one is not.
func (r *reach) watch(ctx context.Context) (context.Context, *atomic.Bool) {
	var connected atomic.Bool
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				connected.Store(true)
				r.reached()
			}
		},
	}), &connected
}

// egressFault returns err if it is our side's fault, and nil if it is the
// receiver's, taken as such because of the event's age, or there is none.
func (r *reach) egressFault(ctx context.Context, c Claim, age time.Duration, connected bool, err error) error {
	if isExhausted(err) || (isUnreachable(err, connected) && r.failed(ctx, c.Org, hostOf(c.Endpoint.URL)) && age < excusedFor) {
		return err
	}
	return nil
}

func hostOf(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	return strings.ToLower(u.Hostname())
}

// isIPv6Only reports whether the receiver was not reached because only IPv6
// leads to it and this machine has no IPv6: of a host with both kinds of
// address, the error is the IPv4 address's.
func isIPv6Only(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) {
		return false
	}
	addr, ok := op.Addr.(*net.TCPAddr)
	return ok && addr.IP.To4() == nil &&
		(errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT))
}

// isExhausted reports whether this machine has run out of files, ports or memory.
func isExhausted(err error) bool {
	if isIPv6Only(err) {
		return false // EADDRNOTAVAIL says then that there is no address to send from, not that ports have run out
	}
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	// The resolver keeps only the text of the error that it met.
	var dns *net.DNSError
	return errors.As(err, &dns) && (strings.Contains(dns.Err, syscall.EMFILE.Error()) || strings.Contains(dns.Err, syscall.ENFILE.Error()))
}

// isUnreachable reports whether a try failed on the way to the receiver: no
// answer of the resolver, no route, or no connection in time. A name that does
// not exist or has no IPv4 address, a refused or a broken connection are the
// receiver's.
func isUnreachable(err error, connected bool) bool {
	if err == nil || connected || isIPv6Only(err) {
		return false
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return !dns.IsNotFound
	}
	var timeout net.Error
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) ||
		(errors.As(err, &timeout) && timeout.Timeout())
}
