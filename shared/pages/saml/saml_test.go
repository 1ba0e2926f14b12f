package saml_test

import (
	"encoding/base64"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/pages"
	"portico/shared/pages/admin"
	"portico/shared/pages/saml"
	"portico/shared/pages/setup"
	site "portico/shared/pages/signin"
	"portico/shared/signin"
	"portico/shared/sso"
	"portico/shared/testkit"
)

// Only the page that SAML providers post to takes forms of other sites.
func TestOneFormFromElsewhere(t *testing.T) {
	t.Parallel()
	var found []string
	for _, p := range slices.Concat((&site.Site{}).Pages(), (&saml.Site{}).Pages(), (&setup.Site{}).Pages(), (&admin.Site{}).Pages()) {
		if p.FromElsewhere {
			found = append(found, p.Path)
		}
	}
	if !slices.Equal(found, []string{"/saml/{connection}/acs"}) {
		t.Errorf("these do: %v", found)
	}
	if routes := pages.Routes((&saml.Site{}).Pages()); !slices.Equal(routes, []pages.Route{{ID: "samlPages", Path: "/saml/{page+}", Function: "sign-in"}}) {
		t.Errorf("the routes %v", routes)
	}
}

// The provider reads our metadata at our entity id. It is the same whether there is such a
// connection or not.
func TestMetadata(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	of := id.New[id.SSOConnection](s.clock.Now())
	p := s.send("GET", "/saml/"+of.String(), nil)
	if p.status != 200 || p.header.Get("Content-Type") != "application/samlmetadata+xml" || !strings.Contains(p.text, `entityID="`+s.url+"/saml/"+of.String()+`"`) || !strings.Contains(p.text, `Location="`+s.url+"/saml/"+of.String()+`/acs"`) {
		t.Errorf("%d %v\n%s", p.status, p.header, p.text)
	}
	for _, path := range []string{"/saml/x", "/saml/" + strings.ToUpper(of.String()), "/saml/", "/saml", "/saml/" + of.String() + "/x", "/saml/" + of.String() + "/acs/x", "/saml/{connection}"} {
		if p := s.send("GET", path, nil); p.status != 404 {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	if p := s.send("GET", "/saml/"+of.String()+"/acs", nil); p.status != 405 {
		t.Errorf("GET of the address for responses: %d", p.status)
	}
}

// Whom a provider names waits in the attempt that has begun here. The browser that
// brings the response gets nothing but the way to the next page.
func TestResponse(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c := s.connect()
	f, to := s.begin(c)
	form := s.answer(to)
	if who := s.waits(f); who != "" {
		t.Errorf("before the response: %q", who)
	}
	p := s.post(c.ID, form)
	if p.status != 303 || p.location != sso.ArrivedPath || p.header.Get("Set-Cookie") != "" || len(s.traces(c)) != 0 {
		t.Fatalf("%d to %s, %v\n%s%+v", p.status, p.location, p.header, p.text, s.traces(c))
	}
	if who := s.waits(f); who != "ada@acme.example" {
		t.Errorf("it names %q", who)
	}
}

// Each of these is refused, tells why in a trace of the connection at whose address it came,
// and leaves nobody waiting. What is in a response is attacked in shared/saml.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other := s.newProvider()
	for name, tt := range map[string]struct {
		want string
		do   func(c sso.Found, to string) (at sso.Found, form url.Values)
	}{
		"unsigned":              {"unsigned", s.with(`(?s)<ds:Signature .*?</ds:Signature>`, "")},
		"changed":               {"signature", s.with(`ada@acme\.example`, "eve@acme.example")},
		"SHA-1":                 {"algorithm", s.with(`http://www.w3.org/2001/04/xmldsig-more#rsa-sha256`, "http://www.w3.org/2000/09/xmldsig#rsa-sha1")},
		"two assertions":        {"structure", s.with(`(?s)(<saml:Assertion .*</saml:Assertion>)`, "$1$1")},
		"one in the other":      {"structure", s.with(`(?s)<saml:Subject>`, `<saml:Assertion ID="x"></saml:Assertion><saml:Subject>`)},
		"a document type":       {"dtd", s.with(`^`, `<!DOCTYPE x [<!ENTITY e "x">]>`)},
		"a comment in the name": {"ok", s.with(`(<saml:NameID[^>]*>ada)`, "$1<!---->")},
		"encrypted":             {"encrypted", s.with(`(?s)<saml:Assertion .*</saml:Assertion>`, `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"></saml:EncryptedAssertion>`)},
		"the provider refuses":  {"status", s.with(`status:Success`, "status:Responder")},
		"no XML": {"unreadable", func(c sso.Found, to string) (sso.Found, url.Values) {
			return c, url.Values{"SAMLResponse": {"x"}, "RelayState": s.answer(to)["RelayState"]}
		}},
		"nothing": {"unreadable", func(c sso.Found, to string) (sso.Found, url.Values) {
			return c, url.Values{"RelayState": s.answer(to)["RelayState"]}
		}},
		"too large": {"too_large", func(c sso.Found, to string) (sso.Found, url.Values) {
			return c, url.Values{"SAMLResponse": {strings.Repeat("A", 500<<10)}, "RelayState": s.answer(to)["RelayState"]}
		}},
		"an embedded certificate": {"unknown_certificate", func(c sso.Found, to string) (sso.Found, url.Values) {
			s.set(c, `certificates = ARRAY['`+other.Certificate()+`']`)
			return c, s.answer(to)
		}},
		"another issuer": {"issuer", func(c sso.Found, to string) (sso.Found, url.Values) {
			s.set(c, `issuer = 'https://other.example'`)
			return c, s.answer(to)
		}},
		"disabled meanwhile": {"disabled_meanwhile", func(c sso.Found, to string) (sso.Found, url.Values) {
			s.set(c, `status = 'disabled'`)
			return c, s.answer(to)
		}},
		"changed meanwhile": {"changed_meanwhile", func(c sso.Found, to string) (sso.Found, url.Values) {
			s.set(c, `version = version + 1`)
			return c, s.answer(to)
		}},
		"another organization's": {"unasked", func(_ sso.Found, to string) (sso.Found, url.Values) { return s.connect(), s.answer(to) }},
		"no attempt": {"unasked", func(c sso.Found, to string) (sso.Found, url.Values) {
			return c, url.Values{"SAMLResponse": s.answer(to)["SAMLResponse"]}
		}},
		"an attempt of nobody": {"unasked", func(c sso.Found, to string) (sso.Found, url.Values) {
			return c, url.Values{"SAMLResponse": s.answer(to)["SAMLResponse"], "RelayState": {strings.Repeat("x", 3000)}}
		}},
		"another attempt": {"request", func(c sso.Found, to string) (sso.Found, url.Values) {
			_, other := s.begin(c)
			return c, url.Values{"SAMLResponse": s.answer(other)["SAMLResponse"], "RelayState": s.answer(to)["RelayState"]}
		}},
	} {
		c := s.connect()
		f, to := s.begin(c)
		at, form := tt.do(c, to)
		p := s.post(at.ID, form)
		who := s.waits(f)
		if tt.want == "ok" {
			if p.status != 303 || who != "ada@acme.example" {
				t.Errorf("%s: %d, %q waits %+v\n%s", name, p.status, who, s.traces(at), p.text)
			}
			continue
		}
		traces := s.traces(at)
		if len(traces) != 1 || traces[0].Code != tt.want || traces[0].Detail == "" {
			t.Errorf("%s: %d, the traces %+v, want %s", name, p.status, traces, tt.want)
			continue
		}
		if p.status != 403 || !strings.Contains(p.text, traces[0].ID.String()) || !strings.Contains(p.text, `href="/sign-in"`) || p.header.Get("Set-Cookie") != "" || who != "" {
			t.Errorf("%s: %d, %q waits\n%s", name, p.status, who, p.text)
		}
	}
}

// A provider's assertion ends, and so does the attempt.
func TestLateResponses(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c := s.connect()
	f, to := s.begin(c)
	form := s.answer(to)
	s.clock.Advance(8 * time.Minute)
	if p := s.post(c.ID, form); p.status != 403 || len(s.traces(c)) != 1 || s.traces(c)[0].Code != "expired" {
		t.Errorf("%d, %+v", p.status, s.traces(c))
	}
	if who := s.waits(f); who != "" {
		t.Errorf("%q waits", who)
	}
	s.clock.Advance(2 * time.Minute)
	if p := s.post(c.ID, form); p.status != 403 || len(s.traces(c)) != 2 || s.traces(c)[0].Code != "unasked" {
		t.Errorf("after the attempt: %d, %+v", p.status, s.traces(c))
	}
}

// with is an answer in which what an expression finds is replaced.
func (s *stage) with(expression, by string) func(sso.Found, string) (sso.Found, url.Values) {
	return func(c sso.Found, to string) (sso.Found, url.Values) {
		return c, changed(s.t, s.answer(to), func(text string) string {
			return regexp.MustCompile(expression).ReplaceAllString(text, by)
		})
	}
}

// A response counts once, also of many at once; an assertion counts once, also in another
// attempt.
func TestReplayed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c := s.connect()
	f, to := s.begin(c)
	form := s.answer(to)
	const tries = 8
	got := make(chan int, tries)
	for range tries {
		go func() { got <- s.post(c.ID, form).status }()
	}
	in := 0
	for range tries {
		if <-got == 303 {
			in++
		}
	}
	if in != 1 {
		t.Errorf("%d of %d got in", in, tries)
	}
	if p := s.post(c.ID, form); p.status != 403 {
		t.Errorf("afterwards: %d", p.status)
	}
	if who := s.waits(f); who != "ada@acme.example" {
		t.Errorf("%q waits", who)
	}
	for _, trace := range s.traces(c) {
		if trace.Code != "replayed" && trace.Code != "unasked" {
			t.Errorf("the trace %+v", trace)
		}
	}
	if len(s.traces(c)) != tries {
		t.Errorf("%d traces", len(s.traces(c)))
	}
	// A provider that gives every assertion the same id.
	text, err := base64.StdEncoding.DecodeString(form.Get("SAMLResponse"))
	testkit.Must(t, err)
	assertion := regexp.MustCompile(`<saml:Assertion [^>]*ID="([^"]+)"`).FindStringSubmatch(string(text))[1]
	now := s.clock.Now()
	if err := s.desk.Attempts.Spend(t.Context(), c.ID.String(), assertion, now); !errors.Is(err, signin.ErrUsed) {
		t.Errorf("the assertion is used up: %v", err)
	}
	for _, one := range [][2]string{{c.ID.String(), "_other"}, {s.connect().ID.String(), assertion}} {
		if err := s.desk.Attempts.Spend(t.Context(), one[0], one[1], now); err != nil {
			t.Errorf("another assertion, or connection: %v", err)
		}
	}
}

// Of connections of the other protocol, and of those that there are not, nothing is read.
func TestNoSuchConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c := s.connect()
	form := url.Values{"SAMLResponse": {"x"}}
	s.set(c, `type = 'oidc'`)
	for _, of := range []id.SSOConnection{c.ID, id.New[id.SSOConnection](s.clock.Now())} {
		if p := s.post(of, form); p.status != 404 || len(s.traces(c)) != 0 {
			t.Errorf("%d, %v", p.status, s.traces(c))
		}
	}
	if p := s.send("POST", "/saml/x/acs", form); p.status != 404 {
		t.Errorf("a malformed id: %d", p.status)
	}
}
