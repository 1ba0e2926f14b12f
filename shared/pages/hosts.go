package pages

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"

	"portico/shared/id"
)

// Hosts says at which host names the pages answer. What a request names in Host decides
// nothing else: links begin with Public or with a name that an organization has verified.
type Hosts struct {
	// Public is the address of the site, such as https://portico.example.com.
	Public *url.URL
	// Org returns the organization that has a host name; zero: none.
	Org func(ctx context.Context, name string) (id.Org, error)
	// Hidden: all requests come through CloudFront, which sends API Gateway's host name
	// instead of that of the browser. Then all are at Public.
	Hidden bool
}

// place is where a visit is: at the site's own host (org is zero), or at that of an
// organization. host is "" if it is neither.
type place struct {
	host string
	org  id.Org
}

// placeOf ignores the port, because API Gateway does not tell it.
func (h Hosts) placeOf(ctx context.Context, host string) (place, error) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if h.Hidden || host == strings.ToLower(h.Public.Hostname()) {
		return place{host: h.Public.Host}, nil
	}
	org, err := h.Org(ctx, host)
	if err != nil || org.IsZero() {
		return place{}, err
	}
	return place{host, org}, nil
}

// At returns the address of a path at the host of an organization.
func (h Hosts) At(host, path string) string {
	if port := h.Public.Port(); port != "" {
		host = net.JoinHostPort(host, port)
	}
	return h.Public.Scheme + "://" + host + path
}

// Host returns the name of the host where the visit is.
func (v *Visit) Host() string { return v.place.host }

// Org returns the organization at whose host the visit is; zero: at the site's own.
func (v *Visit) Org() id.Org { return v.place.org }

// elsewhere leads to the site's own host. A form stays unread.
func (f *Frame) elsewhere(v *Visit) Answer {
	if v.Request.Method != http.MethodGet && v.Request.Method != http.MethodHead {
		return f.fault(v, http.StatusMisdirectedRequest)
	}
	return v.Redirect(strings.TrimSuffix(f.Hosts.Public.String(), "/") + v.Request.URL.RequestURI())
}
