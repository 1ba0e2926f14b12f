package signin_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/invitation"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/testkit"
)

// written lists the entries of actions in an organization's log, the oldest first.
func (s *stage) written(org id.Org, like string) string {
	s.t.Helper()
	return testkit.Value[string](s.t, s.db, `SELECT coalesce(string_agg(concat_ws(' ', action, actor_type, actor_name, coalesce(before, after)->>'role', host(source_ip)), ', ' ORDER BY id), 'none')
		FROM audit_entry WHERE org_id = $1 AND action LIKE $2`, org, like)
}

// A person leaves an organization after being asked; the log and the history say so, and the
// sessions are in it no more, in another process too. Nobody leaves by a link, from another
// site, or long after signing in. The last owner stays.
func TestLeaveOrganization(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b, far := s.browser(), s.process(s.desk.Box).browser()
	b.signUp("ada@example.com")
	own := testkit.Value[id.Org](t, s.db, `SELECT id FROM organization WHERE name = 'Acme'`)
	other, strange := s.join("ada@example.com"), s.db.NewOrg(t)
	leave := func(of string) string { return "/account/organizations/leave?organization=" + of }
	b.follow(b.post("/account/organizations", "organization", other.String()))
	far.cookies["__Host-portico"] = b.cookies["__Host-portico"]
	if far.in() != s.named(other) || !strings.Contains(b.get("/account/organizations").text, leave(other.String())) {
		t.Fatalf("the session is in %q\n%s", far.in(), main(b.get("/account/organizations").text))
	}
	s.shows(b.get(leave(other.String())), 200, "Do you want to leave "+s.named(other))
	for _, none := range []string{"", "x", strange.String(), id.New[id.Org](s.clock.Now()).String(), id.Org{}.String()} {
		s.shows(b.get(leave(none)), 404, "You are not a member")
		s.shows(b.post(leave(none)), 404, "You are not a member")
	}
	s.shows(b.post(leave(own.String())), 409, "You are the last owner")
	nobody := s.browser()
	s.shows(nobody.follow(nobody.post(leave(other.String()))), 200, "E-mail address")
	if s.members(other) != "ada@example.com viewer Ada" || s.written(other, "member.leave") != "none" || s.members(own) != "ada@example.com owner Ada" {
		t.Fatalf("the members %s and %s", s.members(other), s.members(own))
	}
	s.shows(b.follow(b.post(leave(other.String()))), 200, "Your organizations")
	if got := s.members(other); got != "none" {
		t.Errorf("the members %s", got)
	}
	if got := s.written(other, "member.leave"); got != "member.leave member Ada viewer 127.0.0.1" {
		t.Errorf("the log has %s", got)
	}
	if got := testkit.Value[string](t, s.db, `SELECT string_agg(detail, ',') FROM user_event WHERE action = 'organization.leave'`); got != s.named(other) {
		t.Errorf("the history has %q", got)
	}
	s.shows(b.post(leave(other.String())), 404, "You are not a member")
	s.clock.Advance(10 * time.Second)
	if got := far.session(); !got.Org.IsZero() || far.in() != "" {
		t.Errorf("the session is in %s", got.Org)
	}
	third := s.join("ada@example.com")
	s.clock.Advance(10 * time.Minute)
	s.shows(b.follow(b.post(leave(third.String()))), 200, "Sign in again")
	if got := s.members(third); got != "ada@example.com viewer Ada" {
		t.Errorf("the members %s", got)
	}
}

// owner makes somebody new an owner of an organization.
func (s *stage) owner(of id.Org, email string) {
	s.t.Helper()
	user, now := id.New[id.User](s.clock.Now()), s.clock.Now()
	s.db.AddUser(s.t, user, email)
	s.db.Insert(s.t, "member", testkit.Row{"org_id": of, "id": id.New[id.Member](now), "user_id": user, "name": "Bob", "predefined": "owner", "created_at": now, "updated_at": now})
}

// The session that the host of an organization has got ends when its person leaves.
func TestLeaveEndsHandedOverSessions(t *testing.T) {
	t.Parallel()
	s, acme, there, here := handOffStage(t)
	hand(there, here)
	s.shows(there.follow(there.arrives(here.follow(here.signIn("ada@example.com", secretText)))), 200, "ada@example.com")
	s.owner(acme, "bob@example.com")
	s.shows(here.follow(here.post("/account/organizations/leave?organization="+acme.String())), 200, "Your organizations")
	s.clock.Advance(10 * time.Second)
	if p := there.get("/account"); p.status == 200 {
		t.Errorf("the host of the organization shows %s", main(p.text))
	}
}

// Of the two last owners who leave at once one stays.
func TestLastOwnersLeaveAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	people := []string{"ada@example.com", "bob@example.com"}
	for _, email := range people {
		s.browser().signUp(email)
	}
	for range 5 {
		of := s.join(people[0])
		s.db.Exec(t, `INSERT INTO member (org_id, id, user_id, name, predefined, created_at, updated_at) SELECT $1, gen_random_uuid(), $2, 'Bob', 'owner', portico_now(), portico_now()`, of, s.user(people[1]))
		s.db.Exec(t, `UPDATE member SET predefined = 'owner' WHERE org_id = $1`, of)
		var group sync.WaitGroup
		for _, user := range []id.User{s.user(people[0]), s.user(people[1])} {
			group.Go(func() { _ = s.desk.LeaveOrganization(t.Context(), user, of, visitor) })
		}
		group.Wait()
		if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM member WHERE org_id = $1`, of); n != 1 {
			t.Errorf("%d owners are left", n)
		}
	}
}

// A process that dies while somebody leaves leaves nothing half.
func TestLeavingSurvivesADeath(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"audit_entry", "user_event"} {
		s := newStage(t)
		b := s.browser()
		b.signUp("ada@example.com")
		of := s.join("ada@example.com")
		leave := "/account/organizations/leave?organization=" + of.String()
		s.db.Exec(t, `ALTER TABLE `+table+` ADD CONSTRAINT broken CHECK (action NOT LIKE '%.leave')`)
		if p := b.post(leave); p.status != 500 || s.members(of) == "none" || s.written(of, "member.leave") != "none" {
			t.Errorf("%s: %d, the members %s", table, p.status, s.members(of))
		}
		s.db.Exec(t, `ALTER TABLE `+table+` DROP CONSTRAINT broken`)
		if s.shows(b.follow(b.post(leave)), 200, "Your organizations"); s.members(of) != "none" {
			t.Errorf("%s: the members %s", table, s.members(of))
		}
		if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_event WHERE action = 'organization.leave'`); n != 1 {
			t.Errorf("%s: %d events", table, n)
		}
	}
}

// Whoever has the link declines, without an account too, or signed in from the list of
// organizations. Then the invitation is used up, and the log says so.
func TestDeclineInvitation(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	acme, link := s.offer("ada@example.com", staffKey)
	declines := strings.Replace(link, invitation.Path, invitation.Path+"/decline", 1)
	b := s.browser()
	if p := b.get(link); !strings.Contains(p.text, strings.TrimPrefix(declines, s.desk.Public)) {
		t.Errorf("the page of the invitation has no link to decline\n%s", main(p.text))
	}
	s.shows(b.get(declines), 200, "Do you want to decline")
	if got := s.written(acme, "invitation.decline"); got != "none" {
		t.Fatalf("the log has %s", got)
	}
	s.shows(b.post(declines), 200, "You have declined")
	s.shows(b.post(declines), 404, overText)
	s.shows(b.get(declines), 404, overText)
	s.shows(b.get(link), 404, overText)
	s.shows(b.post(link, "name", "Ada", "password", secretText), 404, overText)
	if got := s.written(acme, "invitation.%"); got != "invitation.decline system ada@example.com developer 127.0.0.1" || s.members(acme) != "none" {
		t.Errorf("the log has %s", got)
	}
	eve, ada := s.browser(), s.browser()
	eve.signUp("eve@example.com")
	ada.signUp("ada@example.com")
	other, _ := s.offer("ada@example.com", staffKey)
	wanted := testkit.Value[id.Invitation](t, s.db, `SELECT id FROM invitation WHERE org_id = $1`, other)
	decline := func(b *browser, of id.Org) page {
		return b.post("/account/organizations/decline", "organization", of.String(), "invitation", wanted.String())
	}
	s.shows(decline(eve, other), 404, overText)
	s.shows(decline(ada, acme), 404, overText)
	s.shows(ada.post("/account/organizations/decline"), 404, overText)
	s.shows(ada.get("/account/organizations"), 200, "Decline the invitation of "+s.named(other))
	if p := ada.follow(decline(ada, other)); p.status != 200 || strings.Contains(p.text, "invites you") {
		t.Errorf("%d\n%s", p.status, main(p.text))
	}
	s.shows(decline(ada, other), 404, overText)
	s.offerTo(other, "ada@example.com", role.Ref{Predefined: role.Developer}, staffKey) // the address may be invited again
	s.shows(ada.get("/account/organizations"), 200, "invites you")
}

// revoke does what the operation does that revokes invitations.
func (s *stage) revoke(of id.Org, wanted id.Invitation) error {
	return s.db.App.InOrg(s.t.Context(), of, func(tx pg.Tx) error {
		i, err := invitation.Lock(s.t.Context(), tx, of, wanted)
		if err == nil {
			err = invitation.Revoke(s.t.Context(), tx, of, i, s.clock.Now())
		}
		return err
	})
}

// When an invitation is accepted, declined and revoked at once, one of them wins, and the
// others learn that it is over.
func TestAcceptAgainstRevoke(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ada := s.browser()
	ada.signUp("ada@example.com")
	cookie, order := ada.cookies["__Host-portico"], rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		of, link := s.offer("ada@example.com", staffKey)
		s.db.Exec(t, `UPDATE invitation SET mailed_at = NULL`) // an address gets few a day
		s.clock.Advance(time.Minute)
		wanted := testkit.Value[id.Invitation](t, s.db, `SELECT id FROM invitation WHERE org_id = $1`, of)
		one, two := s.browser(), s.browser()
		one.cookies["__Host-portico"] = cookie
		tries := map[string]func() bool{
			"accepted": func() bool { return one.post(link).status == 303 },
			"declined": func() bool {
				return two.post(strings.Replace(link, invitation.Path, invitation.Path+"/decline", 1)).status == 200
			},
			"revoked": func() bool {
				err := s.revoke(of, wanted)
				if err != nil && !errors.Is(err, invitation.ErrEnded) {
					t.Error(err)
				}
				return err == nil
			},
		}
		var mutex sync.Mutex
		var won []string
		var group sync.WaitGroup
		names := []string{"accepted", "declined", "revoked"}
		order.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			group.Go(func() {
				if tries[name]() {
					mutex.Lock()
					defer mutex.Unlock()
					won = append(won, name)
				}
			})
		}
		group.Wait()
		if one.cookies["__Host-portico"] != "" {
			cookie = one.cookies["__Host-portico"]
		}
		is := testkit.Value[string](t, s.db, `SELECT CASE WHEN accepted_at IS NOT NULL THEN 'accepted' WHEN declined THEN 'declined' WHEN revoked_at IS NOT NULL THEN 'revoked' ELSE 'open' END FROM invitation WHERE org_id = $1`, of)
		log := map[string]string{"accepted": "invitation.accept member Ada developer 127.0.0.1", "declined": "invitation.decline system ada@example.com developer 127.0.0.1", "revoked": "none"}[is]
		if len(won) != 1 || won[0] != is || s.written(of, "invitation.%") != log || (s.members(of) != "none") != (is == "accepted") {
			t.Fatalf("round %d: it is %s; won have %v; the members %s; the log has %s", round, is, won, s.members(of), s.written(of, "invitation.%"))
		}
	}
}
