package people_test

import (
	"context"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/role"
	"portico/shared/session"
	"portico/shared/staff"
	"portico/shared/testkit"
)

// userOf returns the person who is a member.
func userOf(c apitest.Caller, member string) id.User {
	c.T.Helper()
	parsed, err := id.Parse[id.Member](member)
	testkit.Must(c.T, err)
	return testkit.Value[id.User](c.T, c.Database, `SELECT user_id FROM member WHERE id = $1`, parsed)
}

// startIn gives a person another session.
func startIn(c apitest.Caller, user id.User, org id.Org) id.Session {
	c.T.Helper()
	begun, _, err := c.Server.Sessions.Start(context.Background(), session.Session{User: user, Org: org, Host: "localhost", Factors: []string{"password"}}, time.Hour)
	testkit.Must(c.T, err)
	return begun.ID
}

// live lists the sessions of a person, whatever their organization.
func live(c apitest.Caller, user id.User) (ids []id.Session) {
	c.T.Helper()
	list, err := c.Server.Sessions.List(context.Background(), user)
	testkit.Must(c.T, err)
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// An organization sees and ends the sessions of its member in it, and no others.
func TestSessionsOfMembers(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, other := h.Organization("Acme"), h.Organization("Other")
	bob := acme.NewMember("bob@example.com", role.Viewer)
	foreign := other.NewMember("bob@example.com", role.Viewer)
	here := acme.SignIn(bob)
	user := userOf(acme, bob)
	elsewhere, nowhere := startIn(other, user, other.Org), startIn(other, user, id.Org{})
	path := "/v1/members/" + bob

	apitest.Want(t, acme.Do("GET", path+"/sessions", ""), `200 "id":"`+here.String()+`" "device":"Firefox, Linux" "source_ip":"192.0.2.1" "factors":["password"] "next":null !`+elsewhere.String()+` !`+nowhere.String())
	for _, operation := range [][2]string{{"GET", "/sessions"}, {"POST", "/revoke-sessions"}, {"POST", "/reset-factors"}} {
		apitest.Want(t, acme.Do(operation[0], "/v1/members/"+foreign+operation[1], ""), "404 member_not_found")
		apitest.Want(t, acme.Do(operation[0], "/v1/members/"+nobodysMember+operation[1], ""), "404 member_not_found")
		apitest.Want(t, acme.With(auth.MembersRead).Do(operation[0], path+operation[1], ""), "403 permission_missing members:write")
	}
	if got := live(acme, user); len(got) != 3 {
		t.Errorf("%v", got)
	}
	apitest.Want(t, acme.Do("POST", path+"/revoke-sessions", ""), "204")
	apitest.Want(t, acme.Do("GET", path+"/sessions", ""), `200 "data":[]`)
	if got := live(acme, user); len(got) != 2 {
		t.Errorf("of the sessions elsewhere there are %v", got)
	}
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=member.revoke_sessions", ""), `200 "type":"member" "id":"`+bob+`" "type":"session" "id":"`+here.String()+`" "sessions":1`)
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM user_event WHERE user_id = $1 AND action = 'session.end' AND detail = 'revoked' AND source_ip IS NULL`, user); n != 1 {
		t.Errorf("the history has %d entries", n)
	}
	apitest.Want(t, acme.Do("POST", "/v1/members/"+acme.NewMember("never@example.com", role.Viewer)+"/revoke-sessions", ""), "204")
}

// Who is less than a member does not end their sessions or reset their factors.
func TestNobodyExpelsWhoHasMore(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	owner, admin := acme.NewMember("owner@example.com", role.Owner), acme.NewMember("admin@example.com", role.Admin)
	acme.SignIn(owner)
	acme.SignIn(admin)
	for _, action := range []string{"/revoke-sessions", "/reset-factors"} {
		apitest.Want(t, acme.AsMember(admin).Do("POST", "/v1/members/"+owner+action, ""), "403 grant_exceeded")
		stale := acme.AsMember(owner)
		stale.As.Proved = h.Clock.Now().Add(-time.Hour)
		apitest.Want(t, stale.Do("POST", "/v1/members/"+admin+action, ""), "403 reauthentication_required")
	}
	apitest.Want(t, acme.AsMember(owner).Do("POST", "/v1/members/"+owner+"/reset-factors", ""), "403 own_factors")
	if len(live(acme, userOf(acme, owner))) != 1 || secondFactors(acme, owner) != 3 || secondFactors(acme, admin) != 3 {
		t.Error("somebody was expelled")
	}
	apitest.Want(t, acme.AsMember(owner).Do("POST", "/v1/members/"+admin+"/reset-factors", ""), "204")
	if secondFactors(acme, admin) != 0 {
		t.Error("the factors of the admin are there")
	}
}

// secondFactors counts the second factors of a member.
func secondFactors(c apitest.Caller, member string) int {
	c.T.Helper()
	rows := c.UserRows(c.T, userOf(c, member))
	return rows["user_totp"] + rows["user_recovery_code"] + rows["user_passkey"]
}

// A reset takes all second factors and sessions, is mailed, and stands in the log and the
// person's history. Without factors it changes nothing.
func TestResetFactors(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	bob := acme.NewMember("bob@example.com", role.Viewer)
	apitest.Want(t, acme.Do("PATCH", "/v1/members/"+bob, `{"locale":"de"}`), "200 ")
	acme.SignIn(bob)
	user := userOf(acme, bob)
	startIn(acme, user, id.Org{})
	const mails = `SELECT coalesce(string_agg(template || ' ' || locale || ' ' || recipient, ', '), '') FROM mail WHERE template = 'factors_reset'`

	h.Exec(`ALTER TABLE audit_entry ADD CONSTRAINT broken CHECK (action <> 'member.reset_factors')`)
	apitest.Want(t, acme.Do("POST", "/v1/members/"+bob+"/reset-factors", ""), "500 internal")
	h.Exec(`ALTER TABLE audit_entry DROP CONSTRAINT broken`)
	if secondFactors(acme, bob) != 3 {
		t.Error("without its entry the reset has taken factors")
	}
	h.Exec(`DELETE FROM mail`)
	startIn(acme, user, acme.Org)
	apitest.Want(t, acme.Do("POST", "/v1/members/"+bob+"/reset-factors", ""), "204")
	if n, s := secondFactors(acme, bob), live(acme, user); n != 0 || len(s) != 0 {
		t.Errorf("%d factors and the sessions %v are left", n, s)
	}
	if rows := h.UserRows(t, user); rows["user_password"] != 1 || rows["user_identity"] != 1 {
		t.Errorf("the first factors went: %v", rows)
	}
	if got := testkit.Value[string](t, h.Database, mails); got != "factors_reset de bob@example.com" {
		t.Errorf("mails: %s", got)
	}
	apitest.Want(t, acme.Do("POST", "/v1/members/"+bob+"/reset-factors", ""), "204")
	r := acme.Do("GET", "/v1/audit-log?action=member.reset_factors&outcome=success", "")
	apitest.Want(t, r, `200 "id":"`+bob+`" "reset":false "reset":true`)
	if got := testkit.Value[string](t, h.Database, mails); got != "factors_reset de bob@example.com" {
		t.Errorf("after the second reset: %s", got)
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM user_event WHERE user_id = $1 AND action = 'factor.reset'`, user); n != 1 {
		t.Errorf("the history has %d entries", n)
	}
}

// An organization does not take away what protects a person elsewhere: neither by adding
// them, nor those who run Portico. The owner of the address's domain does.
func TestFactorsElsewhere(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	bob := acme.NewMember("bob@corp.example.com", role.Viewer)
	added := evil.NewMember("bob@corp.example.com", role.Viewer)
	session := acme.SignIn(bob)
	for _, try := range []apitest.Reply{
		acme.Do("POST", "/v1/members/"+bob+"/reset-factors", ""), evil.Do("POST", "/v1/members/"+added+"/reset-factors", ""),
	} {
		apitest.Want(t, try, "409 factors_elsewhere")
	}
	domain := acme.Make("/v1/domains", `{"name":"corp.example.com"}`)
	apitest.Want(t, acme.Do("POST", "/v1/members/"+bob+"/reset-factors", ""), "409 factors_elsewhere")
	if got := live(acme, userOf(acme, bob)); secondFactors(acme, bob) != 3 || len(got) != 1 || got[0] != session {
		t.Errorf("%v", got)
	}
	acme.Prove("/v1/domains/" + domain)
	apitest.Want(t, acme.Do("POST", "/v1/domains/"+domain+"/verify", ""), "200 ")
	apitest.Want(t, evil.Do("POST", "/v1/members/"+added+"/reset-factors", ""), "409 factors_elsewhere")
	grace := h.NewStaffPerson(staff.Support)
	email := testkit.Value[string](t, h.Database, `SELECT email FROM user_account WHERE id = $1`, userOfStaff(t, grace))
	apitest.Want(t, evil.Do("POST", "/v1/members/"+evil.NewMember(email, role.Viewer)+"/reset-factors", ""), "409 factors_elsewhere")
	apitest.Want(t, acme.Do("POST", "/v1/members/"+bob+"/reset-factors", ""), "204")
	if secondFactors(acme, bob) != 0 {
		t.Error("the factors are there")
	}
}

func userOfStaff(t *testing.T, c apitest.Caller) id.User {
	t.Helper()
	user, err := id.Parse[id.User](c.As.Actor.ID)
	testkit.Must(t, err)
	return user
}
