package signin_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/pages/token"
	"portico/shared/testkit"
)

// A person sees on the page of the account which apps they have let in, into which
// organization, what each may do and when it was last used, and takes the access of one
// away: in two processes within ten seconds, with all that it had, and no other app's or
// person's.
func TestTakeAccessAway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	invoices, other := s.register(nil), s.register(func(c *oauth.Client) { c.Name = "Mails" })
	b, bob := s.browser(), s.browser()
	b.signUp(ada)
	bob.signUp("bob@example.com")
	s.shows(b.get("/account"), 200, `<a href="/account/apps">Apps that you have let in</a>`)
	s.shows(b.get("/account/apps"), 200, "You have let in no app.")

	first, second, kept, his := invoices.tokens(b), invoices.tokens(b), other.tokens(b), invoices.tokens(bob)
	p := b.get("/account/apps")
	for _, text := range []string{"<h2>Invoices</h2>", "<h2>Mails</h2>", "<strong>Acme</strong>", "let in on " + s.clock.Now().UTC().Format("2006-01-02"), "last used on", "<li>" + auth.Description[auth.EventsRead], "180 days"} {
		s.shows(p, 200, text)
	}
	b.post(invoices.ask("v"), "decision", "allow")
	s.shows(b.get("/account/apps"), 200, "not used yet")

	processes := []*oauth.Apps{s.apps, s.process(s.desk.Box).apps}
	works := func(access string) (n int) {
		for _, p := range processes {
			if _, err := p.Caller(t.Context(), access); err == nil {
				n++
			} else if !errors.Is(err, oauth.ErrToken) {
				t.Error(err)
			}
		}
		return n
	}
	for _, one := range []string{first.AccessToken, second.AccessToken, kept.AccessToken, his.AccessToken} {
		if n := works(one); n != 2 {
			t.Errorf("it works in %d processes", n)
		}
	}
	s.shows(b.follow(b.post("/account/apps", "app", invoices.ClientID)), 200, "Mails")
	s.clock.Advance(10 * time.Second)
	for what, one := range map[string]struct {
		access string
		want   int
	}{"the first": {first.AccessToken, 0}, "the second": {second.AccessToken, 0}, "another app": {kept.AccessToken, 2}, "another person": {his.AccessToken, 2}} {
		if n := works(one.access); n != one.want {
			t.Errorf("%s works in %d processes", what, n)
		}
	}
	if status, code := invoices.send(token.Path, invoices.ClientID+":"+invoices.ClientSecret, "grant_type", "refresh_token", "refresh_token", first.RefreshToken); status != http.StatusBadRequest || code != "invalid_grant" {
		t.Errorf("the refresh token: %d %s", status, code)
	}
	if p := b.get("/account/apps"); strings.Contains(p.text, "Invoices") {
		t.Error(main(p.text))
	}
	if got := testkit.Value[string](t, s.db, `SELECT string_agg(action || ' ' || detail, ',') FROM user_event WHERE action LIKE 'oauth%'`); got != "oauth_grant.revoke Invoices" {
		t.Errorf("the person's history: %s", got)
	}
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM audit_entry WHERE action = 'oauth_grant.revoke' AND actor_type = 'member' AND after->>'reason' = 'revoked'`); n != 3 {
		t.Errorf("the organization's log has %d entries", n)
	}
	for _, odd := range []string{"", "x", invoices.ClientID, id.New[id.OAuthClient](s.clock.Now()).String()} {
		s.shows(b.follow(b.post("/account/apps", "app", odd)), 200, "Mails")
	}
}

// If the process dies between the row and the grant's item, repeating it completes it.
func TestKillsOfTakingAccessAway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	b.signUp(ada)
	got := a.tokens(b)
	s.db.Exec(t, `UPDATE oauth_grant SET revoked_at = portico_now()`) // all that was done
	b.post("/account/apps", "app", a.ClientID)
	if _, err := s.process(s.desk.Box).apps.Caller(t.Context(), got.AccessToken); !errors.Is(err, oauth.ErrToken) {
		t.Errorf("it works still: %v", err)
	}
}

// The pages show in German what an app may do.
func TestPermissionsInGerman(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	b.signUp(ada)
	a.tokens(b)
	b.headers["Accept-Language"] = "de"
	for _, path := range []string{a.ask("v"), "/account/apps"} {
		s.shows(b.get(path), 200, "<li>Ereignisse und ihre Daten lesen.")
	}
}

// Who has come by an organization's connection sees and takes away what apps may do in this
// organization, and nothing of the others.
func TestTakeAccessAwayOfConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, whole := s.register(nil), s.browser()
	whole.signUp(ada)
	elsewhere := a.tokens(whole)
	acme := s.db.NewOrg(t)
	c, bound := s.connection(acme, nil), s.browser()
	_, err := bound.comes(c, vouched("1", ada))
	testkit.Must(t, err)
	s.db.Exec(t, `UPDATE organization SET name = 'Employer' WHERE id = $1`, acme)
	s.shows(bound.get("/account"), 200, `<a href="/account/apps">`)
	s.shows(bound.get("/account/apps"), 200, "You have let in no app.")
	here := a.tokens(bound)
	p := bound.get("/account/apps")
	s.shows(p, 200, "<strong>Employer</strong>")
	if strings.Contains(p.text, "<strong>Acme</strong>") {
		t.Error(main(p.text))
	}
	bound.post("/account/apps", "app", a.ClientID)
	fresh := s.process(s.desk.Box).apps
	if _, err := fresh.Caller(t.Context(), here.AccessToken); !errors.Is(err, oauth.ErrToken) {
		t.Errorf("it works still: %v", err)
	}
	if _, err := fresh.Caller(t.Context(), elsewhere.AccessToken); err != nil {
		t.Errorf("in another organization: %v", err)
	}
}
