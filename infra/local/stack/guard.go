package stack

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// fromThisMachine refuses requests of other sites' web pages, which the user's
// browser would send to this machine. It checks the origin, and the host name,
// which another site may resolve to this machine (DNS rebinding). Only localhost
// is a name of ours.
func fromThisMachine(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !namesThisMachine(r.Host):
			http.Error(w, "the local stack is reached as 127.0.0.1 or localhost, by no other name", http.StatusForbidden)
		case origins.Check(r) != nil:
			http.Error(w, "web pages of other sites may not use the local stack", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// namesThisMachine accepts localhost and addresses, which cannot be redirected
// by DNS.
func namesThisMachine(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil || strings.EqualFold(name, "localhost")
}

// noWebhooks refuses deliveries: they may reach receivers on this machine, but
// not the stack itself. An endpoint's custom headers cannot replace Webhook-Id.
func noWebhooks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") != "" {
			http.Error(w, "the local stack takes webhooks at "+inboxPath+" only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// below serves the handler below a path that is a secret of this run. Other
// users of the machine can reach the address, but do not know the path.
func below(secret string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if subtle.ConstantTimeCompare([]byte(first), []byte(secret)) != 1 {
			http.Error(w, "the local stack's AWS is for its own functions", http.StatusForbidden)
			return
		}
		r.URL.Path, r.URL.RawPath = "/"+rest, ""
		next.ServeHTTP(w, r)
	})
}
