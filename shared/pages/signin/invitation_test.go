package signin_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/invitation"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/secret"
	"portico/shared/testkit"
)

// offer invites an address to a new organization in the name of somebody, and returns the
// organization and the mailed link.
func (s *stage) offer(email string, by auth.Actor) (of id.Org, link string) {
	s.t.Helper()
	of = s.db.NewOrg(s.t)
	return of, s.offerTo(of, email, role.Ref{Predefined: role.Developer}, by)
}

func (s *stage) offerTo(of id.Org, email string, as role.Ref, by auth.Actor) string {
	s.t.Helper()
	now, token := s.clock.Now(), secret.NewToken()
	i := invitation.Invitation{ID: id.New[id.Invitation](now), Email: email, Role: as, Inviter: by, CreatedAt: now, ExpiresAt: now.Add(invitation.Lasts)}
	testkit.Must(s.t, s.db.App.InOrg(s.t.Context(), of, func(tx pg.Tx) error {
		o, err := org.Get(s.t.Context(), tx, of)
		if err != nil {
			return err
		}
		if err := invitation.Insert(s.t.Context(), tx, of, i, token); err != nil {
			return err
		}
		return invitation.Mail(s.t.Context(), tx, s.desk.Box, s.desk.Public, o, i, "developer", token, now)
	}))
	return s.mail().link
}

var staffKey = auth.Actor{Type: auth.StaffKey, ID: "staff_01890000000000000000000000"}

// members lists an organization's members.
func (s *stage) members(of id.Org) string {
	s.t.Helper()
	return testkit.Value[string](s.t, s.db, `SELECT coalesce(string_agg(u.email || ' ' || coalesce(m.predefined, 'own role') || ' ' || m.name, ', ' ORDER BY u.email), 'none')
		FROM member m JOIN user_account u ON u.id = m.user_id WHERE m.org_id = $1`, of)
}

func (s *stage) named(of id.Org) string {
	return testkit.Value[string](s.t, s.db, `SELECT name FROM organization WHERE id = $1`, of)
}

const overText = "This invitation does not work"

// Somebody new reads the mail, makes an account with the link, which proves the address, and
// is in the organization. Reading the link changes nothing; it works once.
func TestJoin(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.desk.Open = false
	acme, link := s.offer("ada@example.com", staffKey)
	b := s.browser()
	for range 100 {
		s.shows(b.get(link), 200, "invites you to become a member with the role developer")
		b.send(http.MethodHead, link, nil)
	}
	if got := s.members(acme); got != "none" {
		t.Fatalf("reading the link makes %s", got)
	}
	s.shows(b.post(link, "name", "Ada", "password", "password"), 422, "Many people use")
	s.shows(b.post(link, "name", "", "password", secretText), 422, `aria-describedby="name-fault"`)
	s.shows(b.follow(b.post(link, "name", "Ada", "password", secretText, "organization", "Mine")), 200, "Your account")
	if got := s.members(acme); got != "ada@example.com developer Ada" || b.in() != s.named(acme) {
		t.Errorf("the members %s; the session is in %q", got, b.in())
	}
	const entry = `SELECT count(*) FROM audit_entry WHERE org_id = $1 AND action = 'invitation.accept' AND actor_type = 'member' AND actor_name = 'Ada' AND after->>'role' = 'developer' AND host(source_ip) = '127.0.0.1'`
	if n := testkit.Value[int](t, s.db, entry, acme); n != 1 {
		t.Errorf("%d entries", n)
	}
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM organization WHERE name = 'Mine'`); n != 0 {
		t.Error("an organization was made")
	}
	s.shows(b.get(link), 404, overText)
	s.shows(s.browser().post(link, "name", "Eve", "password", secretText), 404, overText)
	one := s.browser()
	s.shows(one.follow(one.signIn("ada@example.com", secretText)), 200, "Your account")
	if one.in() != s.named(acme) {
		t.Errorf("the next session is in %q", one.in())
	}
}

// Who has an account signs in with the invited address and comes back. Another person cannot
// accept, by the link or otherwise.
func TestAcceptInvitation(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	eve := s.browser()
	eve.signUp("eve@example.com")
	acme, link := s.offer("ada@example.com", staffKey)
	s.shows(eve.get(link), 200, "You are signed in as eve@example.com")
	s.shows(eve.post(link), 422, "The invitation is for another address")
	s.shows(eve.post(link, "name", "Eve", "password", secretText), 422, "another address")
	wanted := testkit.Value[id.Invitation](t, s.db, `SELECT id FROM invitation`)
	for _, fields := range [][]string{{"organization", acme.String(), "invitation", wanted.String()}, {"organization", "x", "invitation", wanted.String()}, {"organization", s.join("eve@example.com").String(), "invitation", wanted.String()}, {}} {
		s.shows(eve.post("/account/organizations/accept", fields...), 404, overText)
	}
	b := s.browser()
	s.shows(b.get(link), 200, "Sign in to become a member")
	s.shows(b.follow(b.post(link)), 200, "Enter your password")
	s.shows(b.follow(b.post("/sign-in/password", "password", secretText)), 200, "Become a member")
	if got := s.members(acme); got != "none" {
		t.Errorf("signing in makes %s", got)
	}
	s.shows(b.follow(b.post(link)), 200, "Your organizations")
	if got := s.members(acme); got != "ada@example.com developer Ada" || b.in() != s.named(acme) {
		t.Errorf("the members %s; the session is in %q", got, b.in())
	}
	s.shows(b.get(link), 404, overText)
}

// Open invitations stand in the list of a person's organizations, so nobody needs the link;
// also where only invited people may sign up. Who demands a second factor is entered later.
func TestOffers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.desk.Open = false
	acme, _ := s.offer("ada@example.com", staffKey)
	strict, _ := s.offer("ada@example.com", staffKey)
	s.set(strict, `{"require_mfa": true}`)
	b := s.browser()
	b.post("/sign-up", "email", "ada@example.com")
	link := s.mail().link
	s.shows(b.follow(b.post(link, "name", "Ada", "password", secretText)), 200, "invites you")
	if b.in() != "" {
		t.Errorf("the session is in %q", b.in())
	}
	accept := func(of id.Org) page {
		wanted := testkit.Value[id.Invitation](t, s.db, `SELECT id FROM invitation WHERE org_id = $1`, of)
		return b.follow(b.post("/account/organizations/accept", "organization", of.String(), "invitation", wanted.String()))
	}
	if s.shows(accept(strict), 200, "invites you"); b.in() != "" || s.members(strict) != "ada@example.com developer Ada" {
		t.Errorf("the session is in %q; the members %s", b.in(), s.members(strict))
	}
	if p := accept(acme); strings.Contains(p.text, "invites you") || b.in() != s.named(acme) {
		t.Errorf("the session is in %q\n%s", b.in(), main(p.text))
	}
}

// A link that was revoked, replaced, has ended, or is malformed opens nothing, and nobody
// becomes a member.
func TestInvitationIsOver(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp("ada@example.com")
	acme, link := s.offer("ada@example.com", staffKey)
	other := s.db.NewOrg(t)
	token := strings.TrimPrefix(link, s.desk.Public+invitation.Path+"?token=")
	parsed, err := invitation.ParseLink(token)
	testkit.Must(t, err)
	elsewhere := invitation.Link{Org: other, Token: parsed.Token}.Text()
	for _, broken := range []string{"", "x", token + "A", token[:63], strings.Repeat("A", 64), token[:62] + "%0D%0A", elsewhere, secret.NewToken().Text()} {
		s.shows(b.get(invitation.Path+"?token="+broken), 404, overText)
		s.shows(b.post(invitation.Path+"?token="+broken), 404, overText)
	}
	for what, change := range map[string][2]string{
		"revoked":         {`UPDATE invitation SET revoked_at = now()`, `UPDATE invitation SET revoked_at = NULL`},
		"replaced":        {`UPDATE invitation SET token_hash = sha256('x')`, ``},
		"no organization": {`UPDATE organization SET deleted_at = now()`, ``},
	} {
		one, mine := s.offer("ada@example.com", staffKey)
		s.db.Exec(t, change[0]+map[bool]string{true: ` WHERE id = $1`, false: ` WHERE org_id = $1`}[strings.Contains(change[0], "organization SET")], one)
		s.shows(b.get(mine), 404, overText)
		if s.shows(b.post(mine), 404, overText); s.members(one) != "none" {
			t.Errorf("%s: %s", what, s.members(one))
		}
	}
	s.clock.Advance(7*24*time.Hour - time.Second)
	fresh := s.browser()
	s.shows(fresh.get(link), 200, "You are invited")
	s.clock.Advance(time.Second)
	s.shows(fresh.get(link), 404, overText)
	if s.shows(fresh.post(link), 404, overText); s.members(acme) != "none" {
		t.Errorf("the members %s", s.members(acme))
	}
}

// The role is judged again when it is accepted: whoever has invited must still be allowed
// to add a member with it.
func TestInvitationLapses(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp("ada@example.com")
	for name, c := range map[string]struct {
		change string
		as     string
	}{
		"nothing":                {`SELECT $1::uuid`, "ada@example.com developer Ada"},
		"a lesser role":          {`UPDATE member SET predefined = 'viewer' WHERE org_id = $1`, ""},
		"the inviter has left":   {`DELETE FROM member WHERE org_id = $1`, ""},
		"the role has grown":     {`UPDATE role SET permissions = '{organization:delete}' WHERE org_id = $1`, ""},
		"the role is gone":       {`DELETE FROM role WHERE org_id = $1`, ""},
		"the key was revoked":    {`UPDATE api_key SET revoked_at = portico_now() WHERE org_id = $1`, ""},
		"the key has less":       {`UPDATE api_key SET permissions = '{events:read}' WHERE org_id = $1`, ""},
		"the key may not invite": {`UPDATE api_key SET permissions = array_remove(permissions, 'members:write') WHERE org_id = $1`, ""},
		"the key works":          {`SELECT $1::uuid`, "ada@example.com developer Ada"},
	} {
		of, now := s.db.NewOrg(t), s.clock.Now()
		inviter, user := id.New[id.Member](now), id.New[id.User](now)
		s.db.AddUser(t, user, user.String()+"@example.com")
		s.db.Insert(t, "member", testkit.Row{"org_id": of, "id": inviter, "user_id": user, "name": "Bob", "predefined": "admin", "created_at": now, "updated_at": now})
		as, by := role.Ref{Predefined: role.Developer}, auth.Actor{Type: auth.Member, ID: inviter.String(), Name: "Bob"}
		if strings.Contains(name, "role has") || strings.Contains(name, "role is") {
			as = role.Ref{Custom: id.New[id.Role](now)}
			s.db.Insert(t, "role", testkit.Row{"org_id": of, "id": as.Custom, "name": "r", "description": "", "permissions": []string{"events:read"}, "condition": "", "created_at": now, "updated_at": now})
		}
		if strings.Contains(name, "key") {
			key := id.New[id.APIKey](now)
			s.db.Insert(t, "api_key", testkit.Row{"org_id": of, "id": key, "name": "k", "hash": append(key.UUID[:], key.UUID[:]...), "permissions": auth.All()})
			by = auth.Actor{Type: auth.APIKey, ID: key.String()}
		}
		link := s.offerTo(of, "ada@example.com", as, by)
		s.db.Exec(t, c.change, of)
		answer := b.post(link)
		if got := strings.Contains(s.members(of), "ada@example.com"); got != (c.as != "") {
			t.Errorf("%s: %d, the members %s", name, answer.status, s.members(of))
		}
		s.db.Exec(t, `UPDATE invitation SET mailed_at = NULL WHERE org_id = $1`, of) // an address gets few a day
		if c.as == "" {
			s.shows(answer, 404, overText)
			s.db.Exec(t, `UPDATE invitation SET revoked_at = portico_now() WHERE org_id = $1`, of)
			s.shows(b.follow(b.signIn("ada@example.com", secretText)), 200, "Your account")
		}
	}
}

// Of many who accept at once, by the link, as somebody new or as a member already, one makes
// the member and the entry.
func TestInvitationsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp("ada@example.com")
	known, link := s.offer("ada@example.com", staffKey)
	unknown, fresh := s.offer("bob@example.com", staffKey)
	added, needless := s.offer("ada@example.com", staffKey)
	s.db.Exec(t, `INSERT INTO member (org_id, id, user_id, name, predefined, created_at, updated_at) SELECT $1, gen_random_uuid(), id, 'Ada', 'viewer', portico_now(), portico_now() FROM user_account`, added)
	var group sync.WaitGroup
	for range 12 {
		one := s.browser()
		one.cookies["__Host-portico"] = b.cookies["__Host-portico"]
		for _, try := range []func() page{func() page { return one.post(link) }, func() page { return one.post(needless) }, func() page { return s.browser().post(fresh, "name", "Bob", "password", secretText) }} {
			group.Go(func() {
				if p := try(); p.status != 303 && p.status != 404 {
					t.Errorf("%d\n%s", p.status, s.log)
				}
			})
		}
	}
	group.Wait()
	if got := s.members(known) + ", " + s.members(unknown) + ", " + s.members(added); got != "ada@example.com developer Ada, bob@example.com developer Bob, ada@example.com viewer Ada" {
		t.Errorf("the members %s", got)
	}
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM audit_entry WHERE action = 'invitation.accept'`); n != 3 {
		t.Errorf("%d entries", n)
	}
}

// A process that dies while somebody accepts leaves nothing half: no member without its
// entry, and an invitation that works again.
func TestInvitationSurvivesADeath(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	acme, link := s.offer("ada@example.com", staffKey)
	s.db.Exec(t, `ALTER TABLE audit_entry ADD CONSTRAINT broken CHECK (action <> 'invitation.accept')`)
	b := s.browser()
	if p := b.post(link, "name", "Ada", "password", secretText); p.status != 500 || s.members(acme) != "none" || b.cookies["__Host-portico"] != "" {
		t.Errorf("%d, the members %s", p.status, s.members(acme))
	}
	s.db.Exec(t, `ALTER TABLE audit_entry DROP CONSTRAINT broken`)
	s.shows(b.follow(b.post(link)), 200, "Enter your password")
	s.shows(b.follow(b.post("/sign-in/password", "password", secretText)), 200, "Become a member")
	b.post(link)
	if got := s.members(acme); got != "ada@example.com developer Ada" {
		t.Errorf("the members %s", got)
	}
	// Or it dies after the person is a member, before the session moves.
	bobs, other := s.offer("bob@example.com", staffKey)
	b = s.browser()
	b.signUp("bob@example.com")
	s.db.Exec(t, `ALTER TABLE audit_entry ADD CONSTRAINT broken CHECK (action <> 'session.start' OR org_id <> '`+bobs.UUID.String()+`')`)
	if p := b.post(other); p.status != 500 || s.members(bobs) != "bob@example.com developer Ada" {
		t.Errorf("%d, the members %s", p.status, s.members(bobs))
	}
	s.db.Exec(t, `ALTER TABLE audit_entry DROP CONSTRAINT broken`)
	b = s.browser()
	s.shows(b.follow(b.signIn("bob@example.com", secretText)), 200, "Your account")
	s.shows(b.follow(b.post("/account/organizations", "organization", bobs.String())), 200, "Your organizations")
}

// Whoever adds an address as a member does not decide where its person is: a newcomer is in
// the own organization, and signing in leads only where they have been by choice.
func TestAddedMembersChoose(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.invite("ada@example.com") // a stranger adds the address before the person signs up
	strange := testkit.Value[id.Org](t, s.db, `SELECT org_id FROM member`)
	b := s.browser()
	b.signUp("ada@example.com")
	if got := b.in(); got != "Acme" {
		t.Errorf("the first session is in %q", got)
	}
	s.shows(b.get("/account/organizations"), 200, "has added you")
	s.db.Exec(t, `DELETE FROM member WHERE org_id <> $1`, strange)
	b = s.browser()
	s.shows(b.follow(b.signIn("ada@example.com", secretText)), 200, "has added you")
	if got := b.in(); got != "" {
		t.Errorf("the session is in %q", got)
	}
	s.shows(b.follow(b.post("/account/organizations", "organization", strange.String())), 200, "Your organizations")
	if b.in() != s.named(strange) {
		t.Errorf("the session is in %q", b.in())
	}
	b = s.browser()
	s.shows(b.follow(b.signIn("ada@example.com", secretText)), 200, "Your account")
	if p := b.get("/account/organizations"); b.in() != s.named(strange) || strings.Contains(p.text, "has added you") {
		t.Errorf("the session is in %q\n%s", b.in(), main(p.text))
	}
}

// The host of an organization leads nobody into it who has not entered it by choice.
func TestHandOffOfAddedMember(t *testing.T) {
	t.Parallel()
	s, _, there, here := handOffStage(t)
	s.hosts[acmeHost] = s.join("ada@example.com")
	s.shows(here.follow(here.signIn("ada@example.com", secretText)), 200, "Your account")
	s.shows(hand(there, here), 200, "you have not been there yet")
	s.shows(here.follow(here.post("/account/organizations", "organization", s.hosts[acmeHost].String())), 200, "Your organizations")
	there.arrives(hand(there, here))
}
