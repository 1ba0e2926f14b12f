package sending

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"portico/shared/id"
)

const (
	// outageOrgs is how many organizations must each have a different unreachable
	// host, while no host is reached at all, until the fault counts as ours. So
	// one organization with dead hosts cannot make it look like an outage of our
	// own network.
	outageOrgs = 3
	// decideWithin is how long a try that could not connect waits until other
	// tries show whether the fault is ours. So the first tries of an outage do
	// not count either.
	decideWithin = time.Second
	// excusedFor is the age of an event from which on its tries count even in an
	// outage. A quiet stack whose only receivers are a few dead hosts looks like
	// an outage of our own network: without this bound its deliveries would never
	// fail and its endpoints would never be disabled. With the dispatcher's waits
	// about 130 tries do not count.
	excusedFor = 24 * time.Hour
)

// reach distinguishes an outage of our own network or resolver from single
// receivers that cannot be reached. Its zero value is ready to use. It is safe
// for concurrent use.
type reach struct {
	mu      sync.Mutex
	current *outage // nil: no try has failed to connect since a receiver was last reached
}

// outage is a time in which no receiver was reached. It may be our fault or not.
type outage struct {
	// Each unreachable host counts once, for the first organization that tried
	// it, and each organization counts once.
	hosts   map[string]bool
	orgs    map[id.Org]bool
	ours    bool          // enough organizations: the fault is ours
	decided chan struct{} // closed when the fault is ours, or when a receiver is reached
}

// reached ends an outage: our network works.
func (r *reach) reached() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil && !r.current.ours {
		close(r.current.decided)
	}
	r.current = nil
}

// failed notes that an organization's host is unreachable and reports whether the
// fault is ours. It blocks until that is decided, for decideWithin at most.
func (r *reach) failed(ctx context.Context, org id.Org, host string) bool {
	s := r.note(org, host)
	t := time.NewTimer(decideWithin)
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
	if r.current == nil {
		r.current = &outage{hosts: map[string]bool{}, orgs: map[id.Org]bool{}, decided: make(chan struct{})}
	}
	if s := r.current; !s.ours && !s.hosts[host] && !s.orgs[org] {
		s.hosts[host], s.orgs[org] = true, true
		if s.ours = len(s.orgs) >= outageOrgs; s.ours {
			close(s.decided)
		}
	}
	return r.current
}

// egressFault returns err if the fault is ours. It returns nil if there is no
// error, if the fault is the receiver's, or if it counts as the receiver's
// because of the event's age.
func (r *reach) egressFault(ctx context.Context, t Try, age time.Duration, connected bool, err error) error {
	if err == nil {
		return nil
	}
	if isExhausted(err) || (isUnreachable(err, connected) && r.failed(ctx, t.Org, hostOf(t.Target.URL)) && age < excusedFor) {
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

// isIPv6Only reports whether the receiver was not reached because it has only
// IPv6 addresses and this machine has no IPv6. If a host has both kinds of
// address, the error is that of the IPv4 address.
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
		return false // here EADDRNOTAVAIL means that there is no address to send from, not that ports have run out
	}
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	// The resolver keeps only the text of the underlying error.
	var dns *net.DNSError
	return errors.As(err, &dns) && (strings.Contains(dns.Err, syscall.EMFILE.Error()) || strings.Contains(dns.Err, syscall.ENFILE.Error()))
}

// isUnreachable reports whether a try failed before it reached the receiver: no
// answer from the resolver, no route, or no connection in time. A name that does
// not exist or has no IPv4 address, and a refused or broken connection, are the
// receiver's fault.
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
