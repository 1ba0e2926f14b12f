package signin_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/account"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/member"
	"portico/shared/oauth"
	"portico/shared/pg"
	"portico/shared/provider"
	"portico/shared/role"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/sso"
	"portico/shared/testkit"
)

// connection makes an active connection of an organization, for addresses at example.com.
func (s *stage) connection(of id.Org, change func(*sso.Connection)) sso.Found {
	s.t.Helper()
	now := s.clock.Now()
	s.db.Exec(s.t, `INSERT INTO domain (org_id, id, name, token, verified_at, created_at) VALUES ($1, $2, 'example.com', '', $3, $3) ON CONFLICT DO NOTHING`, of, id.V7(now), now)
	c := sso.Connection{
		ID: id.New[id.SSOConnection](now), Type: sso.OIDC, Name: "Acme's people", Issuer: "https://idp.example.com", ClientID: "us", Domains: []string{"example.com"},
		DefaultRole: role.Ref{Predefined: role.Developer}, CreatedAt: now,
	}
	c.SetSecret(s.desk.Box, of, "secret")
	if change != nil {
		change(&c)
	}
	s.db.InOrg(s.t, of, func(ctx context.Context, tx pg.Tx) error {
		if err := sso.Insert(ctx, tx, of, c); err != nil {
			return err
		}
		c.Status, c.Version = sso.Active, 1
		return sso.Save(ctx, tx, of, &c, now)
	})
	return sso.Found{Connection: c, Org: of}
}

// vouched is somebody with an address whom a provider names.
func vouched(subject, email string) account.Named {
	return account.Named{Person: provider.Person{Subject: subject, Email: email, Name: "Ada", Verified: true}, Claims: map[string]string{"sub": subject, "email": email, "iss": "https://idp.example.com"}}
}

// leave begins an attempt at a connection.
func (b *browser) leave(c sso.Found) signin.Flow {
	b.stage.t.Helper()
	_, token, err := b.stage.desk.Attempts.Begin(b.stage.t.Context(), signin.Flow{Host: b.stage.host, Asked: account.ConnectionTrip{Connection: c.ID, Version: c.Version}.Text()})
	testkit.Must(b.stage.t, err)
	b.cookies["__Host-portico-flow"] = token.Text()
	f, err := b.stage.desk.Attempts.Find(b.stage.t.Context(), token, b.stage.host)
	testkit.Must(b.stage.t, err)
	return f
}

// comes lets a provider name somebody. The browser gets the session.
func (b *browser) comes(c sso.Found, who account.Named) (account.Next, error) {
	b.stage.t.Helper()
	return b.returns(b.leave(c), who)
}

func (b *browser) returns(f signin.Flow, who account.Named) (account.Next, error) {
	next, err := b.stage.desk.ByConnection(b.stage.t.Context(), f, who, session.Session{}, account.Visitor{Host: b.stage.host})
	if err == nil && next.Demand == "" {
		b.cookies["__Host-portico"] = next.Cookie.Text()
	}
	return next, err
}

// traces lists the traces of a connection, the oldest first.
func (s *stage) traces(c sso.Found) string {
	s.t.Helper()
	return testkit.Value[string](s.t, s.db, `SELECT coalesce(string_agg(step || ' ' || code || ' ' || claims, ', ' ORDER BY id), '') FROM sso_trace WHERE connection_id = $1`, c.ID)
}

// Somebody new becomes a member with the default role by signing in, and is the same person
// the next time, whatever their address there is then: what counts is the account (F1). The
// same subject at another connection is nobody.
func TestByConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	acme := s.db.NewOrg(t)
	c := s.connection(acme, nil)
	b := s.browser()
	_, err := b.comes(c, vouched("1", "Ada@Example.com"))
	testkit.Must(t, err)
	s.shows(b.get("/account"), 200, "single sign-on of your organization")
	if got := b.session(); got.Org != acme || got.Connection != c.ID.String() || !slices.Equal(got.Factors, []string{"sso"}) {
		t.Errorf("the session: %+v", got)
	}
	if got := s.members(acme); got != "ada@example.com developer Ada" {
		t.Errorf("the members: %s", got)
	}
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM organization WHERE name = 'Acme'`); n != 1 {
		t.Errorf("%d organizations", n)
	}
	_, err = s.browser().comes(c, vouched("1", "ada.new@example.com"))
	testkit.Must(t, err)
	log := testkit.Value[string](t, s.db, `SELECT string_agg(action || ' ' || coalesce(after->>'connection', after->>'role'), ', ' ORDER BY id) FROM audit_entry WHERE org_id = $1`, acme)
	if want := "member.create developer, session.start " + c.ID.String(); log != want+", session.start "+c.ID.String() {
		t.Errorf("the log: %s", log)
	}
	if people := testkit.Value[string](t, s.db, `SELECT string_agg(issuer || ' ' || subject || ' ' || email, ', ') FROM user_identity`); people != "https://idp.example.com 1 ada.new@example.com" {
		t.Errorf("the linked accounts: %s", people)
	}
	other := s.connection(s.db.NewOrg(t), func(c *sso.Connection) { c.Name = "Evil's people" })
	_, err = s.browser().comes(other, vouched("1", "eve@example.com"))
	testkit.Must(t, err)
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_login`); n != 2 {
		t.Errorf("%d people", n)
	}
	if got := s.traces(c); got != "" {
		t.Errorf("the traces: %s", got)
	}
}

// Nobody is let in whom the organization's provider may not name, or whom the organization
// has removed; a trace says why, without who it was. No account and no member is made.
func TestByConnectionRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		who  account.Named
		meet func(s *stage, c sso.Found) // happens while the person is at the provider
		want string
	}{
		"unproven":                   {who: func() account.Named { n := vouched("1", ada); n.Verified = false; return n }(), want: "admit email_unproven"},
		"no address":                 {who: vouched("1", "ada"), want: "admit email_unproven"},
		"no subject":                 {who: vouched("", ada), want: "admit subject_malformed"},
		"a subject that is too long": {who: vouched(strings.Repeat("x", 256), ada), want: "admit subject_malformed"},
		"another domain":             {who: vouched("1", "ada@evil.example"), want: "admit domain_foreign"}, // F7
		"a subdomain":                {who: vouched("1", "ada@a.example.com"), want: "admit domain_foreign"},
		"disabled": {who: vouched("1", ada), want: "callback disabled_meanwhile", meet: func(s *stage, c sso.Found) { // F6
			s.db.Exec(s.t, `UPDATE sso_connection SET status = 'disabled', version = version + 1 WHERE id = $1`, c.ID)
		}},
		"changed": {who: vouched("1", ada), want: "callback changed_meanwhile", meet: func(s *stage, c sso.Found) {
			s.db.Exec(s.t, `UPDATE sso_connection SET version = version + 1 WHERE id = $1`, c.ID)
		}},
		"the domain is not verified any more": {who: vouched("1", ada), want: "admit domain_unverified", meet: func(s *stage, _ sso.Found) {
			s.db.Exec(s.t, `UPDATE domain SET verified_at = NULL`)
		}},
		"the organization is closed": {who: vouched("1", ada), want: "admit domain_unverified", meet: func(s *stage, _ sso.Found) {
			s.db.Exec(s.t, `UPDATE organization SET deleted_at = portico_now()`)
		}},
		"removed before they have ever signed in": {who: vouched("1", "Ada@example.com"), want: "admit member_removed", meet: func(s *stage, c sso.Found) { s.dismiss(c.Org, ada) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			c := s.connection(s.db.NewOrg(t), nil)
			b := s.browser()
			f := b.leave(c)
			if tt.meet != nil {
				tt.meet(s, c)
			}
			if _, err := b.returns(f, tt.who); !errors.Is(err, account.ErrNotAdmitted) {
				t.Errorf("it returns %v", err)
			}
			got := s.traces(c)
			if !strings.HasPrefix(got, tt.want+" {") || strings.Contains(got, "ada") {
				t.Errorf("the traces: %s", got)
			}
			if n := testkit.Value[int](t, s.db, `SELECT (SELECT count(*) FROM user_account) + (SELECT count(*) FROM member)`); n != 0 {
				t.Errorf("%d people and members", n)
			}
		})
	}
}

// dismiss adds somebody as a member and removes them again.
func (s *stage) dismiss(of id.Org, email string) {
	s.t.Helper()
	now := s.clock.Now()
	s.db.InOrg(s.t, of, func(ctx context.Context, tx pg.Tx) error {
		m, err := member.Insert(ctx, tx, of, member.Member{ID: id.New[id.Member](now), UserID: id.New[id.User](now), Email: email, Name: "Ada", Role: role.Ref{Predefined: role.Viewer}, CreatedAt: now})
		if err != nil {
			return err
		}
		_, err = member.Delete(ctx, tx, of, m.ID, func(role.Role) error { return nil })
		return err
	})
}

// A deleted connection lets nobody in, and has no traces any more.
func TestByDeletedConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c := s.connection(s.db.NewOrg(t), nil)
	b := s.browser()
	f := b.leave(c)
	s.db.InOrg(t, c.Org, func(ctx context.Context, tx pg.Tx) error { return sso.Delete(ctx, tx, s.db.App, c.Org, c.ID) })
	if _, err := b.returns(f, vouched("1", ada)); !errors.Is(err, account.ErrNotAdmitted) {
		t.Errorf("it returns %v", err)
	}
}

// A removed member stays out, also under another address there, until somebody adds them
// again. Their session by the connection ends.
func TestRemovedMemberByConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	acme := s.db.NewOrg(t)
	c := s.connection(acme, nil)
	b := s.browser()
	_, err := b.comes(c, vouched("1", ada))
	testkit.Must(t, err)
	s.db.InOrg(t, acme, func(ctx context.Context, tx pg.Tx) error {
		m, err := member.OfUser(ctx, tx, acme, s.user(ada))
		if err == nil {
			_, err = member.Delete(ctx, tx, acme, m.ID, func(role.Role) error { return nil })
		}
		return err
	})
	s.clock.Advance(10 * time.Second)
	s.shows(b.follow(b.get("/account")), 200, "E-mail address")
	for _, email := range []string{ada, "ada.new@example.com"} {
		if _, err := s.browser().comes(c, vouched("1", email)); !errors.Is(err, account.ErrNotAdmitted) {
			t.Errorf("%s: it returns %v", email, err)
		}
	}
	if got := s.members(acme); got != "none" {
		t.Errorf("the members: %s", got)
	}
	s.db.Insert(t, "member", testkit.Row{"org_id": acme, "id": id.New[id.Member](s.clock.Now()), "user_id": s.user(ada), "name": "Ada", "predefined": "viewer", "created_at": s.clock.Now(), "updated_at": s.clock.Now()})
	_, err = b.comes(c, vouched("1", ada))
	testkit.Must(t, err)
	s.shows(b.get("/account"), 200, "single sign-on of your organization")
}

// F3: what somebody has set up with an address that they never proved goes when its owner
// comes by the connection.
func TestPreHijackByConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	begun, err := identity.Begin(t.Context(), s.db.App, s.db.Identity, ada, "Eve", s.clock.Now())
	testkit.Must(t, err)
	testkit.Must(t, s.db.Identity.AsUser(t.Context(), begun.User, func(tx pg.Tx) error {
		return identity.Link(t.Context(), tx, begun.User, identity.ProviderAccount{Connection: "github", Issuer: "https://github.com", Subject: "666"}, audit.Origin{}, s.clock.Now())
	}))
	eve := s.browser()
	_, cookie, err := s.desk.Sessions.Start(t.Context(), session.Session{User: begun.User, Host: s.host}, time.Hour)
	testkit.Must(t, err)
	eve.cookies["__Host-portico"] = cookie.Text()
	c := s.connection(s.db.NewOrg(t), nil)
	_, err = s.browser().comes(c, vouched("1", ada))
	testkit.Must(t, err)
	s.clock.Advance(10 * time.Second)
	s.shows(eve.follow(eve.get("/account")), 200, "E-mail address")
	if left := testkit.Value[string](t, s.db, `SELECT string_agg(connection, ',') FROM user_identity`); left != c.ID.String() {
		t.Errorf("the linked accounts: %s", left)
	}
}

// Who has an account already is told of the first login by the connection. The session is in
// the organization alone and reaches nothing of the person's own account: whoever runs the
// provider could be them.
func TestSessionByConnectionIsBound(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp(ada)
	own := testkit.Value[id.Org](t, s.db, `SELECT id FROM organization WHERE name = 'Acme'`)
	of, link := s.offer(ada, staffKey)
	s.hosts = map[string]id.Org{acmeHost: own}
	acme := s.db.NewOrg(t)
	c := s.connection(acme, nil)
	b := s.browser()
	next, err := b.comes(c, vouched("1", ada))
	testkit.Must(t, err)
	if m := s.mail(); m.template != "account_linked" || m.to != ada {
		t.Errorf("the mail: %+v", m)
	}
	for _, p := range s.site.Pages() {
		if !strings.HasPrefix(p.Path, "/account") || p.Path == "/account" || p.ID == "apps" || // see TestTakeAccessAwayOfConnection
			p.Path == "/account/address/undo" { // that one is for who has no session
			continue
		}
		if got := b.get(p.Path); p.Show != nil && (got.status != 303 || got.location != "/account") {
			t.Errorf("GET %s: %d %s", p.Path, got.status, got.location)
		}
		if got := b.post(p.Path, "organization", own.String(), "password", secretText); p.Act != nil && (got.status != 303 || got.location != "/account") {
			t.Errorf("POST %s: %d %s", p.Path, got.status, got.location)
		}
	}
	if p := b.get("/account"); strings.Count(p.text, "/account/") != 1 || !strings.Contains(p.text, ada) {
		t.Errorf("the account: %s", main(p.text))
	}
	ctx, v := t.Context(), account.Visitor{Host: s.host, Origin: audit.Origin{SourceIP: netip.MustParseAddr("203.0.113.7")}}
	if _, _, err := s.desk.Switch(ctx, next.Session, own, v); !errors.Is(err, account.ErrBound) {
		t.Errorf("Switch: %v", err)
	}
	if _, err := s.desk.HandOver(ctx, next.Session, own, acmeHost, secret.NewToken().Hash(), v); !errors.Is(err, account.ErrBound) {
		t.Errorf("HandOver: %v", err)
	}
	s.shows(b.post(strings.TrimPrefix(link, s.desk.Public)), 403, "Sign in another way first")
	if got := s.members(of); got != "none" {
		t.Errorf("the members: %s", got)
	}
	if s.desk.Recent(next.Session) {
		t.Error("the session can change the account")
	}
	app := s.register(func(c *oauth.Client) { c.Permissions = append(c.Permissions, auth.Self) })
	for _, scope := range []string{"self", "openid"} {
		if got := app.answer(b.post(app.ask(strings.Repeat("v", 43), "scope", scope), "decision", "allow")).Get("error"); got != "access_denied" {
			t.Errorf("an app gets the person's account by %s: %q", scope, got)
		}
	}
	if code := app.code(b, strings.Repeat("v", 43)); code == "" {
		t.Error("an app cannot be let into the organization")
	}
	if got := s.entries(own); !slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "session.refuse other_connection") }) {
		t.Errorf("the log of the other organization: %v", got)
	}
	s.db.Exec(t, `UPDATE sso_connection SET status = 'disabled'`)
	s.clock.Advance(10 * time.Second)
	s.shows(b.follow(b.get("/account")), 200, "E-mail address")
}

// The person's second factor, and one that the organization demands, come after the
// provider; the connection must be active still. A suspended person stays out.
func TestSecondFactorByConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	_, a := s.withApp()
	acme := s.db.NewOrg(t)
	c := s.connection(acme, nil)
	b := s.browser()
	next, err := b.comes(c, vouched("1", ada))
	testkit.Must(t, err)
	if next.Demand != signin.Second {
		t.Fatalf("it demands %q", next.Demand)
	}
	s.shows(b.follow(b.post("/sign-in/second", "code", a.next())), 200, "single sign-on of your organization")
	if got := b.session(); got.Org != acme || got.Connection != c.ID.String() || !slices.Equal(got.Factors, []string{"sso", "totp"}) {
		t.Errorf("the session: %+v", got)
	}
	b = s.browser()
	_, err = b.comes(c, vouched("1", ada))
	testkit.Must(t, err)
	s.db.Exec(t, `UPDATE sso_connection SET status = 'disabled'`)
	s.shows(b.post("/sign-in/second", "code", a.next()), 403, "did not let you in")
	s.db.Exec(t, `UPDATE sso_connection SET status = 'active'`)
	s.db.Exec(t, `UPDATE user_login SET suspended_at = portico_now()`)
	if _, err := s.browser().comes(c, vouched("1", ada)); err != nil { // nobody learns it before the second factor
		t.Error(err)
	}
	s.db.Exec(t, `DELETE FROM user_totp`)
	s.db.Exec(t, `DELETE FROM user_recovery_code`)
	if _, err := s.browser().comes(c, vouched("1", ada)); !errors.Is(err, account.ErrNotAdmitted) {
		t.Errorf("it returns %v", err)
	}
	if got := s.traces(c); !strings.HasPrefix(got, "callback disabled_meanwhile") || !strings.Contains(got, "admit person_suspended") {
		t.Errorf("the traces: %s", got)
	}
}
