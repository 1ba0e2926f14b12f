package signin_test

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"portico/shared/account"
	"portico/shared/egress"
	"portico/shared/id"
	"portico/shared/provider"
	"portico/shared/sso"
	"portico/shared/testkit"
)

// idp lets a new organization have a connection to a provider of its own, for example.com.
func (s *stage) idp(change func(*sso.Connection)) (*elsewhere, sso.Found) {
	s.t.Helper()
	e := s.elsewhere()
	s.reach(http.DefaultTransport)
	c := s.connection(s.db.NewOrg(s.t), func(c *sso.Connection) {
		c.Issuer = e.URL
		if change != nil {
			change(c)
		}
	})
	s.hosts = map[string]id.Org{"example.com": c.Org}
	return e, c
}

func (s *stage) reach(transport http.RoundTripper) {
	s.desk.OpenID = func(issuer string, client provider.Client) account.Provider {
		return provider.NewOIDC(issuer, client, nil, transport, s.clock)
	}
}

// toIDP gives an address and goes to its organization's provider. It returns what that is
// asked.
func (e *elsewhere) toIDP(b *browser, email string) url.Values {
	e.stage.t.Helper()
	b.post("/sign-in", "email", email)
	return e.sent(b.post("/sign-in/sso"))
}

func (b *browser) fromIDP(query url.Values) page {
	return b.get("/sign-in/sso/callback?" + query.Encode())
}

var employee = them{subject: "1", email: ada, verified: true}

// Somebody gives an address, is offered the organization's own provider besides the
// password, and comes back as a member. An address of nobody's domain is offered none.
func TestSignInByOpenID(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e, c := s.idp(nil)
	b := s.browser()
	s.shows(b.follow(b.post("/sign-in", "email", ada)), 200, `action="/sign-in/sso"`)
	asked := e.sent(b.post("/sign-in/sso"))
	if asked.Get("redirect_uri") != s.desk.Public+"/sign-in/sso/callback" || asked.Get("code_challenge_method") != "S256" || asked.Get("nonce") == "" {
		t.Errorf("it asks %v", asked)
	}
	s.shows(b.follow(b.fromIDP(e.answer(asked, employee))), 200, "single sign-on of your organization")
	if got := b.session(); got.Org != c.Org || got.Connection != c.ID.String() {
		t.Errorf("the session: %+v", got)
	}
	if got := s.members(c.Org); got != "ada@example.com developer Ada of Google" {
		t.Errorf("the members: %s", got)
	}
	if p := b.follow(s.browser().post("/sign-in", "email", "ada@elsewhere.example")); strings.Contains(p.text, "/sign-in/sso") {
		t.Errorf("it offers a connection: %s", main(p.text))
	}
}

// F4, F5, F8: an answer that proves nothing lets nobody in, and leaves a trace.
func TestHostileOpenID(t *testing.T) {
	t.Parallel()
	with := func(change func(*them)) them {
		who := employee
		change(&who)
		return who
	}
	claim := func(name string, value any) them {
		return with(func(who *them) { who.claims = map[string]any{name: value} })
	}
	now := time.Now()
	for name, tt := range map[string]struct {
		who    them
		change func(s *stage, answer url.Values)
		want   string
	}{
		"no algorithm":        {who: with(func(w *them) { w.header = `{"alg":"none"}` }), want: "verify answer_refused"},
		"HMAC":                {who: with(func(w *them) { w.header = `{"alg":"HS256","kid":"first"}` }), want: "verify answer_refused"},
		"another key":         {who: with(func(w *them) { w.header = `{"alg":"RS256","kid":"second"}` }), want: "verify answer_refused"},
		"another issuer":      {who: claim("iss", "https://evil.example"), want: "verify answer_refused"},
		"another audience":    {who: claim("aud", "them"), want: "verify answer_refused"},
		"another party":       {who: claim("azp", "them"), want: "verify answer_refused"},
		"another nonce":       {who: claim("nonce", "x"), want: "verify answer_refused"},
		"no nonce":            {who: claim("nonce", nil), want: "verify answer_refused"},
		"ended":               {who: claim("exp", now.Add(-48*time.Hour).Unix()), want: "verify answer_refused"},
		"from the future":     {who: claim("iat", now.Add(48*time.Hour).Unix()), want: "verify answer_refused"},
		"a mix-up":            {who: employee, change: func(_ *stage, a url.Values) { a.Set("iss", "https://evil.example") }, want: "verify answer_refused"},
		"no issuer":           {who: employee, change: func(_ *stage, a url.Values) { a.Del("iss") }, want: "verify answer_refused"},
		"another code":        {who: employee, change: func(_ *stage, a url.Values) { a.Set("code", "x") }, want: "verify answer_refused"},
		"another state":       {who: employee, change: func(_ *stage, a url.Values) { a.Set("state", "x") }, want: "callback unasked"},
		"cancelled":           {who: employee, change: func(_ *stage, a url.Values) { a.Del("code"); a.Set("error", "access_denied") }, want: "callback cancelled"},
		"an error":            {who: employee, change: func(_ *stage, a url.Values) { a.Del("code"); a.Set("error", "server_error") }, want: "verify answer_refused"},
		"another domain":      {who: with(func(w *them) { w.email = "ada@evil.example" }), want: "admit domain_foreign"},
		"unproven":            {who: with(func(w *them) { w.verified = false }), want: "admit email_unproven"},
		"nothing about proof": {who: claim("email_verified", nil), want: "admit email_unproven"},
		"disabled meanwhile":  {who: employee, change: func(s *stage, _ url.Values) { s.db.Exec(s.t, `UPDATE sso_connection SET status = 'disabled'`) }, want: "callback disabled_meanwhile"},
		"changed meanwhile":   {who: employee, change: func(s *stage, _ url.Values) { s.db.Exec(s.t, `UPDATE sso_connection SET version = version + 1`) }, want: "callback changed_meanwhile"},
		"away meanwhile":      {who: employee, change: func(s *stage, _ url.Values) { s.reach(away{}) }, want: "callback provider_away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			e, c := s.idp(nil)
			b := s.browser()
			answer := e.answer(e.toIDP(b, ada), tt.who)
			if tt.change != nil {
				tt.change(s, answer)
			}
			p := b.fromIDP(answer)
			status := map[string]int{"verify answer_refused": 400, "callback cancelled": 200, "callback provider_away": 503}[tt.want]
			if p.status != cmp.Or(status, 403) || b.cookies["__Host-portico"] != "" {
				t.Errorf("%d %s", p.status, main(p.text))
			}
			if got := s.traces(c); !strings.HasPrefix(got, tt.want+" {") {
				t.Errorf("the traces: %s", got)
			}
			if got := s.members(c.Org); got != "none" {
				t.Errorf("the members: %s", got)
			}
		})
	}
}

// away is a network without the provider.
type away struct{}

func (away) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }

// An answer counts once, and only in the attempt that has asked: not in another browser, nor
// in one that has gone to another organization's connection.
func TestForeignAnswersOfOpenID(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e, c := s.idp(nil)
	evil := s.connection(s.db.NewOrg(t), func(c *sso.Connection) { c.Issuer = e.URL })
	b, other := s.browser(), s.browser()
	answer := e.answer(e.toIDP(b, ada), employee)
	s.shows(s.browser().fromIDP(answer), 400, "This did not work")
	s.hosts["example.com"] = evil.Org
	e.toIDP(other, ada)
	s.shows(other.fromIDP(answer), 403, "did not let you in")
	if got := s.traces(evil); !strings.HasPrefix(got, "callback unasked") {
		t.Errorf("the traces: %s", got)
	}
	s.shows(b.follow(b.fromIDP(answer)), 200, "single sign-on of your organization")
	again := s.browser()
	s.hosts["example.com"] = c.Org
	query := e.answer(e.toIDP(again, ada), employee)
	flow := again.cookies["__Host-portico-flow"]
	s.shows(again.follow(again.fromIDP(query)), 200, "single sign-on of your organization")
	again.cookies = map[string]string{"__Host-portico-flow": flow}
	s.shows(again.fromIDP(query), 400, "This did not work")
	tries := s.browser()
	query = e.toIDP(tries, ada)
	tries.fromIDP(e.answer(query, them{subject: "1", email: ada, verified: true, claims: map[string]any{"aud": "them"}}))
	s.shows(tries.fromIDP(e.answer(query, employee)), 403, "did not let you in") // a refused answer uses the attempt up, too
	if e.used != 3 {
		t.Errorf("%d codes were used", e.used)
	}
}

// A provider at a private address is never asked.
func TestPrivateIssuer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	_, c := s.idp(nil)
	policy, err := egress.ParsePolicy("")
	testkit.Must(t, err)
	s.reach(policy.Transport())
	b := s.browser()
	b.post("/sign-in", "email", ada)
	s.shows(b.post("/sign-in/sso"), 503, "The other site does not answer")
	if got := s.traces(c); !strings.HasPrefix(got, "discover provider_away") {
		t.Errorf("the traces: %s", got)
	}
}
