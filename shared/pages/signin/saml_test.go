package signin_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/infra/local/samlidp"
	"portico/shared/sso"
	"portico/shared/testkit"
)

// samlServer starts the address of a SAML provider. make makes a provider there with a new
// key, and serve lets it answer.
func (s *stage) samlServer() (make func() *samlidp.Provider, serve func(http.Handler)) {
	s.t.Helper()
	var serves http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serves.ServeHTTP(w, r) }))
	s.t.Cleanup(server.Close)
	return func() *samlidp.Provider {
		key, err := samlidp.NewKey(time.Now().Add(-time.Hour))
		testkit.Must(s.t, err)
		p, err := samlidp.New(server.URL, s.desk.Public+sso.SAMLPath, key)
		testkit.Must(s.t, err)
		return p
	}, func(h http.Handler) { serves = h }
}

// samlIDP starts a SAML provider.
func (s *stage) samlIDP() *samlidp.Provider {
	s.t.Helper()
	idp, serve := s.samlServer()
	p := idp()
	serve(p)
	return p
}

// samlProvider starts one, and returns an active connection of a new organization to it.
func (s *stage) samlProvider() sso.Found {
	s.t.Helper()
	return s.connectionTo(s.samlIDP())
}

func (s *stage) connectionTo(p *samlidp.Provider) sso.Found {
	s.t.Helper()
	return s.connection(s.db.NewOrg(s.t), func(c *sso.Connection) {
		c.Type, c.ClientID, c.SealedClientSecret = sso.SAML, "", nil
		c.Issuer, c.SSOURL, c.Certificates = p.Issuer(), p.URL(), []string{p.Certificate()}
		testkit.Must(s.t, c.Complete("portico.example"))
	})
}

var samlField = regexp.MustCompile(`name="(SAMLResponse|RelayState)" value="([^"]*)"`)

// response goes to the provider of a connection and says there who somebody is. It returns
// what the provider's page then posts, and keeps the cookie of the attempt.
func (b *browser) response(c sso.Found, email string) url.Values {
	b.stage.t.Helper()
	to, err := b.stage.site.SAML.Begin(b.stage.t.Context(), b.leave(c), c)
	testkit.Must(b.stage.t, err)
	return b.answers(to, email)
}

// answers is what the provider's page posts when somebody has said at an address who they are.
func (b *browser) answers(to, email string) url.Values {
	b.stage.t.Helper()
	page := httptest.NewRecorder()
	asked, err := http.PostForm(to, url.Values{"email": {email}, "name": {"Ada Lovelace"}})
	testkit.Must(b.stage.t, err)
	defer func() { _ = asked.Body.Close() }()
	_, err = page.Body.ReadFrom(asked.Body)
	testkit.Must(b.stage.t, err)
	form := url.Values{}
	for _, one := range samlField.FindAllStringSubmatch(page.Body.String(), -1) {
		form.Set(one[1], html.UnescapeString(one[2]))
	}
	if len(form) != 2 {
		b.stage.t.Fatalf("the provider answers %s\n%s", asked.Status, page.Body)
	}
	return form
}

// elsewherePosts sends a response as a browser does from the provider's page: without
// cookies.
func (s *stage) elsewherePosts(c sso.Found, form url.Values) page {
	s.t.Helper()
	b := s.browser()
	b.headers["Sec-Fetch-Site"] = "cross-site"
	return b.send(http.MethodPost, "/saml/"+c.ID.String()+"/acs", form)
}

// Somebody whom the provider names becomes a member of the organization by signing in, in the
// browser that has begun, once.
func TestSAML(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c := s.samlProvider()
	b, eve := s.browser(), s.browser()
	form := b.response(c, "Ada@Example.com")
	eve.response(c, "eve@example.com")
	s.shows(b.get(sso.ArrivedPath), 400, "This did not work") // before the response
	if p := s.elsewherePosts(c, form); p.status != 303 || p.location != sso.ArrivedPath || p.header.Get("Set-Cookie") != "" {
		t.Fatalf("%d to %s, %v\n%s", p.status, p.location, p.header, main(p.text))
	}
	for name, stranger := range map[string]*browser{"a browser without attempt": s.browser(), "that of another attempt": eve} {
		if p := stranger.get(sso.ArrivedPath); p.status != 400 || stranger.cookies["__Host-portico"] != "" {
			t.Errorf("%s: %d\n%s", name, p.status, main(p.text))
		}
	}
	s.shows(b.follow(b.get(sso.ArrivedPath)), 200, "single sign-on of your organization")
	if got := b.session(); got.Org != c.Org || got.Connection != c.ID.String() || !slices.Equal(got.Factors, []string{"sso"}) {
		t.Errorf("the session: %+v", got)
	}
	if got := s.members(c.Org); got != "ada@example.com developer Ada Lovelace" {
		t.Errorf("the members: %s", got)
	}
	again := s.browser()
	again.cookies["__Host-portico-flow"] = b.cookies["__Host-portico-flow"]
	if p := again.get(sso.ArrivedPath); p.status != 400 || again.cookies["__Host-portico"] != "" {
		t.Errorf("once more: %d\n%s", p.status, main(p.text))
	}
	if people := testkit.Value[string](t, s.db, `SELECT string_agg(connection || ' ' || issuer || ' ' || subject, ', ') FROM user_identity`); people != c.ID.String()+" "+c.Issuer+" ada@example.com" {
		t.Errorf("the linked accounts: %s", people)
	}
}

// What happens between the response and the browser's arrival counts, and so does whom the
// organization lets in. The page tells the trace.
func TestSAMLNotAdmitted(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for name, tt := range map[string]struct {
		email, change, want string
	}{
		"somebody of a foreign domain": {"ada@evil.example", "", "admit domain_foreign"},
		"disabled":                     {"ada@example.com", `UPDATE sso_connection SET status = 'disabled' WHERE id = $1`, "callback disabled_meanwhile"},
		"changed":                      {"ada@example.com", `UPDATE sso_connection SET version = version + 1 WHERE id = $1`, "callback changed_meanwhile"},
	} {
		c := s.samlProvider()
		b := s.browser()
		form := b.response(c, tt.email)
		if p := s.elsewherePosts(c, form); p.status != 303 {
			t.Fatalf("%s: %d\n%s", name, p.status, main(p.text))
		}
		if tt.change != "" {
			s.db.Exec(t, tt.change, c.ID)
		}
		p := b.get(sso.ArrivedPath)
		if trace := regexp.MustCompile(`sst_\w+`).FindString(p.text); p.status != 403 || b.cookies["__Host-portico"] != "" || trace == "" {
			t.Errorf("%s: %d\n%s", name, p.status, main(p.text))
		}
		if traces := s.traces(c); !strings.HasPrefix(traces, tt.want) || strings.Contains(traces, "ada@") {
			t.Errorf("%s: the traces %s", name, traces)
		}
		s.shows(b.get(sso.ArrivedPath), 400, "This did not work") // the answer is used up
	}
}
