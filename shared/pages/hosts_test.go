package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Pages answer at the site's own host. From others a browser is led there, and a form stays
// unread; what a request claims in other headers decides nothing.
func TestHosts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	own := s.frame.Hosts.Public.Host
	port := ":" + s.frame.Hosts.Public.Port()
	for _, tt := range []struct {
		host, method, path string
		want               int
	}{
		{own, "GET", "/sample", 200}, {strings.ToUpper(own), "GET", "/sample", 200}, {own, "POST", "/sample", 303},
		{"evil.example.com", "GET", "/sample", 303}, {"evil.example.com", "HEAD", "/sample", 303}, {"evil.example.com", "POST", "/sample", 421}, {"evil.example.com" + port, "GET", "/everywhere", 303},
		{"acme.example.com", "GET", "/sample?a=b", 303}, {"acme.example.com", "POST", "/sample", 421},
		{"acme.example.com", "GET", "/everywhere", 200}, {"acme.example.com", "POST", "/everywhere", 303}, {"ACME.example.com." + port, "GET", "/everywhere", 200},
		{s.frame.Hosts.Public.Hostname(), "GET", "/sample", 200}, {"acme.example.com:1", "GET", "/everywhere", 200}, {"evil.example.com", "GET", "/none", 404},
	} {
		status, page, h := s.call(tt.method, tt.path, "to=/account", "Host", tt.host, "X-Forwarded-Host", "evil.example.com", "Forwarded", "host=evil.example.com")
		if tt.want == http.StatusSeeOther && tt.method != "POST" {
			if to := s.frame.Hosts.Public.String() + tt.path; h.Get("Location") != to {
				t.Errorf("%s %s at %s leads to %q, want %q", tt.method, tt.path, tt.host, h.Get("Location"), to)
			}
		}
		if status != tt.want || strings.Contains(page, "evil") {
			t.Errorf("%s %s at %s: %d, want %d\n%s", tt.method, tt.path, tt.host, status, tt.want, page)
		}
		if status == http.StatusOK && tt.path == "/everywhere" && !strings.Contains(page, "At acme.example.com of org_") {
			t.Errorf("%s does not know where it is: %s", tt.host, page)
		}
	}
	s.frame.Hosts.Hidden = true
	if status, _, _ := s.call("POST", "/sample", "to=/account", "Host", "abc.execute-api.eu-central-1.amazonaws.com"); status != 303 {
		t.Errorf("behind CloudFront a form is answered %d", status)
	}
	s.frame.Hosts.Public = &url.URL{Scheme: "https", Host: "portico.example.com"}
	if got := s.frame.Hosts.At("acme.example.com", "/x"); got != "https://acme.example.com/x" {
		t.Errorf("an organization's address is %q", got)
	}
}
