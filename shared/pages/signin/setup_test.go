package signin_test

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/sso"
	"portico/shared/testkit"
)

// setupLink makes a draft of a connection, and a set-up link for it. It returns the path of
// its page.
func (s *stage) setupLink(kind string, of id.Org) (sso.Found, string) {
	s.t.Helper()
	c := s.connection(of, func(c *sso.Connection) { c.Issuer, c.ClientID = "https://old.example", "old" })
	s.db.Exec(s.t, `UPDATE sso_connection SET status = 'draft', type = $2, issuer = '', client_id = '', sealed_client_secret = NULL WHERE id = $1`, c.ID, kind)
	c.Status, c.Type = sso.Draft, kind
	return c, s.newLink(c)
}

func (s *stage) newLink(c sso.Found) (path string) {
	s.t.Helper()
	s.db.InOrg(s.t, c.Org, func(ctx context.Context, tx pg.Tx) error {
		token, _, err := sso.NewSetup(ctx, tx, c.Org, c.Connection, s.clock.Now())
		path = sso.SetupPath + "?token=" + token
		return err
	})
	return path
}

// openLink uses a set-up link, and returns the page that it opens.
func (b *browser) openLink(path string) page {
	b.stage.t.Helper()
	b.stage.shows(b.get(path), 200, "It opens once, in this browser")
	_, token, _ := strings.Cut(path, "=")
	return b.follow(b.post(sso.SetupPath, "token", token))
}

func (s *stage) settings(c sso.Found) string {
	s.t.Helper()
	return testkit.Value[string](s.t, s.db, `SELECT concat_ws(' ', issuer, sso_url, client_id, cardinality(certificates), version) FROM sso_connection WHERE id = $1`, c.ID)
}

// Somebody who is no member sets up OpenID Connect with a link, tests it, sees why a login
// lets nobody in, and is let in by none. The organization's log says what they have done.
func TestSetUpOpenID(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	s.reach(http.DefaultTransport)
	c, link := s.setupLink(sso.OIDC, s.db.NewOrg(t))
	b := s.browser()
	s.shows(b.openLink(link), 200, s.desk.Public+"/sign-in/sso/callback")
	if p := b.get(sso.SetupPath); strings.Contains(p.text, sso.SetupTestPath) {
		t.Error("it offers a test of an incomplete connection")
	}
	for _, wrong := range []struct{ issuer, client, secret, says string }{
		{"http://idp.example.com", "us", "s3cret", "begins with https://"}, {"", "us", "s3cret", "begins with https://"},
		{e.URL, "", "s3cret", "Give the client ID"}, {e.URL, "us", "", "Give the client secret"}, {e.URL, "us\x00", "s3cret", "Give the client ID"},
		{e.URL, strings.Repeat("x", 256), "s3cret", "Give the client ID"},
	} {
		s.shows(b.post(sso.SetupPath, "issuer", wrong.issuer, "client_id", wrong.client, "client_secret", wrong.secret), 422, wrong.says)
	}
	s.shows(b.follow(b.post(sso.SetupPath, "issuer", e.URL, "client_id", "us", "client_secret", "s3cret")), 200, sso.SetupTestPath)
	if got := s.settings(c); got != e.URL+"  us 0 3" {
		t.Errorf("saved: %s", got)
	}
	for _, test := range []struct {
		who        them
		says, want string
	}{
		{employee, "It works", "admit ok"},
		{them{subject: "2", email: "ada@evil.example", verified: true}, "none of the connection", "admit domain_foreign"},
	} {
		asked := e.sent(b.post(sso.SetupTestPath))
		s.shows(b.follow(b.fromIDP(e.answer(asked, test.who))), 200, test.says)
		last := testkit.Value[string](t, s.db, `SELECT step || ' ' || code FROM sso_trace WHERE test ORDER BY id DESC LIMIT 1`)
		if last != test.want {
			t.Errorf("the trace: %s, want %s", last, test.want)
		}
	}
	if people := testkit.Value[int](t, s.db, `SELECT (SELECT count(*) FROM user_identity) + (SELECT count(*) FROM member WHERE org_id = $1)`, c.Org); people != 0 || b.cookies["__Host-portico"] != "" {
		t.Errorf("a test has let somebody in: %d", people)
	}
	log := testkit.Value[string](t, s.db, `SELECT string_agg(action || ' ' || actor_id || ' ' || (after->>'client_secret' IS NOT NULL)::text, ', ' ORDER BY id) FROM audit_entry WHERE org_id = $1 AND action LIKE 'sso%'`, c.Org)
	if log != "sso_connection.open_setup_link setup_link false, sso_connection.update setup_link true" {
		t.Errorf("the log: %s", log)
	}
}

// The same for SAML, whose response comes from the provider's page.
func TestSetUpSAML(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	idp := s.samlIDP()
	c, link := s.setupLink(sso.SAML, s.db.NewOrg(t))
	b := s.browser()
	s.db.Exec(t, `UPDATE sso_connection SET metadata_url = 'https://old.example/metadata', metadata_error = 'gone' WHERE id = $1`, c.ID)
	p := b.openLink(link)
	for _, ours := range []string{sso.ACS(s.desk.Public, c.ID), sso.EntityID(s.desk.Public, c.ID)} {
		s.shows(p, 200, ours)
	}
	for _, wrong := range []string{"", "<x/>", "no XML", string(s.site.SAML.Metadata(c.ID))} {
		s.shows(b.post(sso.SetupPath, "metadata", wrong), 422, "This is no metadata")
	}
	w := httptest.NewRecorder()
	idp.ServeHTTP(w, httptest.NewRequest(http.MethodGet, idp.Issuer(), nil))
	s.shows(b.follow(b.post(sso.SetupPath, "metadata", w.Body.String())), 200, "Saved: "+idp.Issuer())
	if got := s.settings(c); got != idp.Issuer()+" "+idp.URL()+"  1 3" {
		t.Errorf("saved: %s", got)
	}
	if left := testkit.Value[string](t, s.db, `SELECT metadata_url || metadata_error FROM sso_connection WHERE id = $1`, c.ID); left != "" {
		t.Errorf("the metadata is still read elsewhere: %s", left)
	}
	to := leaving.FindStringSubmatch(b.post(sso.SetupTestPath).text)
	p = s.elsewherePosts(c, b.answers(html.UnescapeString(to[1]), "ada@example.com"))
	s.shows(b.follow(b.follow(p)), 200, "It works")
	if b.cookies["__Host-portico"] != "" {
		t.Error("a test has let somebody in")
	}
	to = leaving.FindStringSubmatch(b.post(sso.SetupTestPath).text)
	form := b.answers(html.UnescapeString(to[1]), "ada@example.com")
	s.db.Exec(t, `UPDATE sso_connection SET issuer = 'https://another.example' WHERE id = $1`, c.ID)
	s.shows(b.follow(s.elsewherePosts(c, form)), 200, "issuer")
}

// A set-up link opens once and in one browser, ends after a day, and works no more when it
// was replaced or taken back, the connection is active, or the organization is deleted. A
// test that has begun before changes nothing of that.
func TestSetUpLinkEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*stage, sso.Found){
		"a day later": func(s *stage, _ sso.Found) { s.clock.Advance(24*time.Hour + time.Second) },
		"replaced":    func(s *stage, c sso.Found) { s.newLink(c) },
		"taken back": func(s *stage, c sso.Found) {
			s.db.InOrg(s.t, c.Org, func(ctx context.Context, tx pg.Tx) error { return sso.EndSetup(ctx, tx, c.Org, c.ID) })
		},
		"active": func(s *stage, c sso.Found) {
			s.db.Exec(s.t, `UPDATE sso_connection SET status = 'active' WHERE id = $1`, c.ID)
		},
		"deleted organization": func(s *stage, c sso.Found) {
			s.db.Exec(s.t, `UPDATE organization SET deleted_at = now() WHERE id = $1`, c.Org)
		},
		"deleted": func(s *stage, c sso.Found) { s.db.Exec(s.t, `DELETE FROM sso_connection WHERE id = $1`, c.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			c, unopened := s.setupLink(sso.OIDC, s.db.NewOrg(t))
			b := s.browser()
			p := b.openLink(unopened)
			if p.status != 200 {
				t.Fatalf("%d\n%s", p.status, p.text)
			}
			s.shows(s.browser().get(unopened), 410, "does not work any more")
			s.shows(s.browser().post(sso.SetupPath, "token", strings.TrimPrefix(unopened, sso.SetupPath+"?token=")), 410, "does not work any more")
			s.shows(s.browser().get(sso.SetupPath), 410, "does not work any more")
			s.shows(s.browser().get(sso.SetupPath+"?token=x"), 410, "does not work any more")
			end(s, c)
			before := testkit.Value[string](t, s.db, `SELECT coalesce(string_agg(version::text || setup_ends_at, ','), '') FROM sso_connection`)
			s.shows(b.get(sso.SetupPath), 410, "does not work any more")
			s.shows(b.post(sso.SetupPath, "issuer", "https://idp.example.com", "client_id", "us", "client_secret", "s"), 410, "does not work any more")
			s.shows(b.post(sso.SetupTestPath), 410, "does not work any more")
			if after := testkit.Value[string](t, s.db, `SELECT coalesce(string_agg(version::text || setup_ends_at, ','), '') FROM sso_connection`); after != before {
				t.Errorf("it was changed: %s, before %s", after, before)
			}
		})
	}
}

// The secret of a link is nowhere in the database, and it changes no other connection.
func TestSetUpLinkIsHashed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c, link := s.setupLink(sso.OIDC, s.db.NewOrg(t))
	kept := testkit.Value[[]byte](t, s.db, `SELECT setup_hash FROM sso_connection WHERE id = $1`, c.ID)
	if text, err := url.QueryUnescape(link); err != nil || strings.Contains(text, string(kept)) || len(kept) != 32 {
		t.Errorf("it is kept as %x (%v)", kept, err)
	}
	other, _ := s.setupLink(sso.SAML, s.db.NewOrg(t))
	b := s.browser()
	b.openLink(link)
	b.post(sso.SetupPath, "issuer", "https://idp.example.com", "client_id", "us", "client_secret", "s", "connection", other.ID.String())
	if got := s.settings(other); got != "   0 2" {
		t.Errorf("the other: %q", got)
	}
	if got := s.settings(c); got != "https://idp.example.com  us 0 3" {
		t.Errorf("the own: %q", got)
	}
}
