package account_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/role"
	"portico/shared/staff"
	"portico/shared/testkit"
)

// A person sees and renames the own account, without an organization and as a member.
func TestMe(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	ann, _ := h.NewPerson("ann@example.com")
	apitest.Want(t, ann.Do("GET", "/v1/me", ""), `200 "email":"ann@example.com" "organization_id":null "member_id":null "password":true "totp":true "passkeys":1 "recovery_codes":1 "provider_accounts":1`)
	apitest.Want(t, ann.Do("PATCH", "/v1/me", `{"name":"Ann"}`), `200 "name":"Ann"`)
	apitest.Want(t, ann.Do("PATCH", "/v1/me", `{"name":""}`), "422 body.name")
	apitest.Want(t, ann.Do("PATCH", "/v1/me", `{"name":"Ann\u202e"}`), "422 body.name")
	for _, field := range []string{"email", "email_verified", "role", "suspended_at"} { // mass assignment
		apitest.Want(t, ann.Do("PATCH", "/v1/me", `{"name":"Eve","`+field+`":"x"}`), "422 body."+field)
	}
	apitest.Want(t, ann.Do("GET", "/v1/me", ""), `200 "name":"Ann" "email":"ann@example.com"`)

	acme := h.Organization("Acme")
	member := acme.NewMember("bob@example.com", role.Viewer)
	acme.SignIn(member)
	bob := acme.AsMember(member)
	apitest.Want(t, bob.Do("GET", "/v1/me", ""), `200 "email":"bob@example.com" "organization_id":"`+acme.Org.String()+`" "member_id":"`+member+`"`)
	apitest.Want(t, bob.Do("PATCH", "/v1/me", `{"name":"Robert"}`), `200 "name":"Robert"`)
	apitest.Want(t, acme.Do("GET", "/v1/members/"+member, ""), `200 "name":"Ada"`) // what the organization calls the member
}

// Who says to be a member is the person that the organization has as this member, whatever
// else the caller says.
func TestMemberIsThePerson(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	member := acme.NewMember("bob@example.com", role.Viewer)
	acme.SignIn(member)
	ann, _ := h.NewPerson("ann@example.com")
	forged := acme.AsCaller(auth.Caller{Actor: auth.Actor{Type: auth.Member, ID: member}, User: ann.As.User, Proved: h.Clock.Now()})
	apitest.Want(t, forged.Do("GET", "/v1/me", ""), `200 "email":"bob@example.com"`)
}

// An app acts on the account of the person who has given it that, and no other app does.
// Staff who look at an organization as one of its members do not.
func TestWhoActsForAPerson(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	member := acme.NewMember("bob@example.com", role.Owner)
	acme.SignIn(member)
	of := func(actor, id string, scope ...auth.Permission) apitest.Caller {
		return acme.AsCaller(auth.Caller{
			Actor: auth.Actor{Type: actor, ID: id}, For: auth.Actor{Type: auth.Member, ID: member}, Scope: scope, Proved: h.Clock.Now(),
		})
	}
	apitest.Want(t, of(auth.OAuthClient, "app_00000000000000000000000001", auth.Self).Do("GET", "/v1/me", ""), `200 "email":"bob@example.com"`)
	apitest.Want(t, of(auth.OAuthClient, "app_00000000000000000000000001", auth.EventsRead).Do("GET", "/v1/me", ""), "403 person_only")
	apitest.Want(t, of(auth.Staff, h.NewStaffPerson(staff.Operator).As.Actor.ID, auth.Self).Do("GET", "/v1/me", ""), "403 person_only")
	apitest.Want(t, acme.Do("GET", "/v1/me", ""), "403 person_only")
	apitest.Want(t, h.NewStaff().Do("GET", "/v1/me", ""), "403 person_only")
	apitest.Want(t, of(auth.OAuthClient, "app_00000000000000000000000001", auth.Self).Do("GET", "/v1/me", "", "Portico-Organization", acme.Org.String()), "422 Portico-Organization")
}

// A person reads the own history page by page, the newest first, and no page of another
// person's.
func TestMyEvents(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	ann, _ := h.NewPerson("ann@example.com")
	for _, name := range []string{"A", "B", "C"} {
		h.Clock.Advance(time.Second)
		apitest.Want(t, ann.Do("PATCH", "/v1/me", `{"name":"`+name+`"}`), "200 ")
	}
	first := ann.Do("GET", "/v1/me/events?limit=2", "")
	apitest.Want(t, first, `200 "action":"user.update" "user_agent":"test/`)
	if n := strings.Count(first.Body, `"id"`); n != 2 {
		t.Errorf("%d events: %s", n, first.Body)
	}
	rest := ann.Do("GET", "/v1/me/events?after="+first.Get(t, "next"), "")
	if n := strings.Count(rest.Body, `"id"`); n != 2 || !strings.Contains(rest.Body, "user.verify_email") {
		t.Errorf("%d more events: %s", n, rest.Body)
	}
	bob, _ := h.NewPerson("bob@example.com")
	apitest.Want(t, bob.Do("GET", "/v1/me/events?after="+first.Get(t, "next"), ""), "422 query.after")
	apitest.Want(t, bob.Do("GET", "/v1/me/events", ""), `200 "action":"user.verify_email" "next":null`)
}

// A person sees the organizations of which they are a member, and no others.
func TestMyOrganizations(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, other := h.Organization("Acme"), h.Organization("Other")
	member := acme.NewMember("bob@example.com", role.Viewer)
	acme.SignIn(member)
	second := other.NewMember("bob@example.com", role.Viewer)
	h.Organization("Evil").NewMember("eve@example.com", role.Owner)
	r := acme.AsMember(member).Do("GET", "/v1/me/organizations", "")
	apitest.Want(t, r, `200 "name":"Acme" "member_id":"`+member+`" "name":"Other" "member_id":"`+second+`" "next":null`)
	if strings.Contains(r.Body, "Evil") {
		t.Error(r.Body)
	}
	ann, _ := h.NewPerson("ann@example.com")
	apitest.Want(t, ann.Do("GET", "/v1/me/organizations", ""), `200 "data":[]`)
}

// A person leaves an organization as who is removed by it: apps let into it and the person
// do nothing there any more, and what they have made stays. Nobody leaves one of others; the last owner stays.
func TestLeaveMyOrganization(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, other := h.Organization("Acme"), h.Organization("Other")
	member, second := acme.NewMember("bob@example.com", role.Developer), other.NewMember("bob@example.com", role.Owner)
	acme.SignIn(member)
	bob := acme.AsMember(member)
	app, _ := acme.AsGranted(acme.NewApp(`"events:read"`), member, auth.EventsRead)
	endpoint := acme.Make("/v1/webhook-endpoints", `{"url":"https://example.com","event_types":["*"]}`)
	acme.Make("/v1/resource-grants", `{"member_id":"`+member+`","permission":"webhook_endpoints:write","resource_id":"`+endpoint+`"}`)
	apitest.Want(t, app.Do("GET", "/v1/events", ""), "200")
	ann, _ := h.NewPerson("ann@example.com")
	for _, of := range []string{acme.Org.String(), id.New[id.Org](h.Clock.Now()).String()} {
		apitest.Want(t, ann.Do("DELETE", "/v1/me/organizations/"+of, ""), "404 membership_not_found")
	}
	apitest.Want(t, ann.Do("DELETE", "/v1/me/organizations/bob", ""), "422 path.id")
	apitest.Want(t, bob.Do("DELETE", "/v1/me/organizations/"+other.Org.String(), ""), "409 last_owner")
	apitest.Want(t, acme.AsMember(acme.NewMember("never@example.com", role.Viewer)).Do("DELETE", "/v1/me/organizations/"+acme.Org.String(), ""), "401 account_missing")
	h.Clock.Advance(11 * time.Minute)
	apitest.Want(t, bob.Do("DELETE", "/v1/me/organizations/"+acme.Org.String(), ""), "403 reauthentication_required")
	apitest.Want(t, acme.Do("GET", "/v1/members", ""), `200 "email":"bob@example.com" "email":"never@example.com"`)
	bob = acme.AsMember(member)
	apitest.Want(t, bob.Do("DELETE", "/v1/me/organizations/"+acme.Org.String(), ""), "204")
	apitest.Want(t, other.AsMember(second).Do("DELETE", "/v1/me/organizations/"+acme.Org.String(), ""), "404 membership_not_found")
	h.Clock.Advance(10 * time.Second)
	apitest.Want(t, bob.Do("GET", "/v1/me", ""), "401 member_removed")
	apitest.Want(t, app.Do("GET", "/v1/events", ""), "401")
	apitest.Want(t, other.AsMember(second).Do("GET", "/v1/me/organizations", ""), `200 "name":"Other" !"name":"Acme"`)
	apitest.Want(t, other.AsMember(second).Do("GET", "/v1/me/events", ""), `200 "action":"organization.leave" "detail":"Acme"`)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=member.leave", ""), `200 "id":"`+member+`" "role":"developer" "type":"member"`)
	apitest.Want(t, acme.Do("GET", "/v1/resource-grants?member_id="+member, ""), `200 "data":[]`)
	apitest.Want(t, acme.Do("GET", "/v1/webhook-endpoints/"+endpoint, ""), "200")
	third := h.Organization("Third")
	third.NewMember("bob@example.com", role.Viewer)
	allowed := other.AsCaller(auth.Caller{
		Actor: auth.Actor{Type: auth.OAuthClient, ID: "app_00000000000000000000000001"}, For: auth.Actor{Type: auth.Member, ID: second}, Scope: []auth.Permission{auth.Self}, Proved: h.Clock.Now(),
	})
	apitest.Want(t, allowed.Do("DELETE", "/v1/me/organizations/"+third.Org.String(), ""), "204")
	apitest.Want(t, third.Do("GET", "/v1/audit-log?action=member.leave", ""), `200 "type":"oauth_client"`)
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM former_member`); n != 2 {
		t.Errorf("%d are known as former members: single sign-on would bring the person back", n)
	}
}

// A person ends one session or all, and nobody else's.
func TestMySessions(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	ann, hers := h.NewPerson("ann@example.com")
	bob, his := h.NewPerson("bob@example.com")
	apitest.Want(t, ann.Do("GET", "/v1/me/sessions", ""), `200 "id":"`+hers.String()+`" "device":"Firefox, Linux" "source_ip":"192.0.2.1" "factors":["password"]`)
	apitest.Want(t, ann.Do("DELETE", "/v1/me/sessions/"+his.String(), ""), "404 session_not_found")
	apitest.Want(t, ann.Do("DELETE", "/v1/me/sessions/"+id.New[id.Session](h.Clock.Now()).String(), ""), "404 session_not_found")
	if r := ann.Do("DELETE", "/v1/me/sessions/"+hers.String(), ""); r.Status != http.StatusNoContent {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	apitest.Want(t, ann.Do("GET", "/v1/me/sessions", ""), `200 "data":[]`)

	before := testkit.Value[int](t, h.Database, `SELECT credential_version FROM user_login WHERE user_id = $1`, bob.As.User)
	if r := bob.Do("POST", "/v1/me/revoke-sessions", ""); r.Status != http.StatusNoContent {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	apitest.Want(t, bob.Do("GET", "/v1/me/sessions", ""), `200 "data":[]`)
	if after := testkit.Value[int](t, h.Database, `SELECT credential_version FROM user_login WHERE user_id = $1`, bob.As.User); after != before+1 {
		t.Errorf("the credential version was %d and is %d: attempts that have begun still work", before, after)
	}
}

// The organization's log says that a session has ended, if the person is a member.
func TestEndsAreWritten(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	ann, bob := acme.NewMember("ann@example.com", role.Viewer), acme.NewMember("bob@example.com", role.Viewer)
	first, second := acme.SignIn(ann), acme.SignIn(bob)
	apitest.Want(t, acme.AsMember(ann).Do("DELETE", "/v1/me/sessions/"+first.String(), ""), "204")
	apitest.Want(t, acme.AsMember(ann).Do("DELETE", "/v1/me/sessions/"+first.String(), ""), "204")
	apitest.Want(t, acme.AsMember(bob).Do("POST", "/v1/me/revoke-sessions", ""), "204")
	r := acme.Do("GET", "/v1/audit-log?action=session.end", "")
	apitest.Want(t, r, `200 "`+second.String()+`" "reason":"revoked" "`+first.String()+`" "reason":"revoked" "next":null`)
	if n := strings.Count(r.Body, "session.end"); n != 2 {
		t.Errorf("%d entries: %s", n, r.Body)
	}
}

// Ending all sessions ends what the person has allowed apps.
func TestAppsEndWithMySessions(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	member := acme.NewMember("bob@example.com", role.Viewer)
	acme.SignIn(member)
	app := acme.AsApp(acme.NewApp(`"events:read","self"`), member, auth.Self)
	apitest.Want(t, app.Do("POST", "/v1/me/revoke-sessions", ""), `204`)
	for _, action := range []string{"session.end", "oauth_grant.revoke"} { // the app did it, in the member's name
		apitest.Want(t, acme.Do("GET", "/v1/audit-log?action="+action, ""), `200 "actor":{"type":"oauth_client" "on_behalf_of":{"type":"member","id":"`+member+`"`)
	}
	h.Clock.Advance(10 * time.Second)
	apitest.Want(t, app.Do("GET", "/v1/me", ""), `401 access_token_invalid`)
}

// A person sees the apps that they have let in, with what these may do in which
// organization, and takes an app's access away everywhere within ten seconds. Nobody else
// sees them, and nothing of others ends.
func TestMyApps(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, other := h.Organization("Acme"), h.Organization("Other")
	member, second, colleague := acme.NewMember("bob@example.com", role.Viewer), other.NewMember("bob@example.com", role.Viewer), acme.NewMember("eve@example.com", role.Viewer)
	acme.SignIn(member)
	acme.SignIn(colleague)
	bob, eve := acme.AsMember(member), acme.AsMember(colleague)
	apitest.Want(t, bob.Do("GET", "/v1/me/apps", ""), `200 "data":[] "next":null`)
	client, kept := other.NewApp(`"events:read","self"`), acme.NewApp(`"events:read"`)
	here, grant := acme.AsGranted(client, member, auth.EventsRead, auth.Self)
	h.Clock.Advance(time.Second)
	there, newer := other.AsGranted(client, second, auth.EventsRead)
	stays, _ := acme.AsGranted(kept, member, auth.EventsRead)
	hers, _ := acme.AsGranted(client, colleague, auth.EventsRead)

	r := bob.Do("GET", "/v1/me/apps", "")
	apitest.Want(t, r, `200 "id":"`+client.String()+`" "name":"Invoices" "id":"`+newer.String()+`" "organization_name":"Other" "id":"`+grant.String()+`" "organization_id":"`+acme.Org.String()+`" "organization_name":"Acme" "scopes":["events:read","self"] "last_used_at":"`)
	if n := strings.Count(r.Body, `"ogr_`); n != 3 {
		t.Errorf("%d grants: %s", n, r.Body)
	}
	apps := []apitest.Caller{here, here.Environment(apitest.Never), there, there.Environment(apitest.Never)}
	for _, c := range apps {
		apitest.Want(t, c.Do("GET", "/v1/events", ""), `200`)
	}
	apitest.Want(t, here.Do("GET", "/v1/me/apps", ""), `200 `+kept.String())
	apitest.Want(t, bob.Do("DELETE", "/v1/me/apps/"+id.New[id.OAuthClient](h.Clock.Now()).String(), ""), `404 app_not_found`)
	apitest.Want(t, eve.Do("DELETE", "/v1/me/apps/"+kept.String(), ""), `404 app_not_found`)
	apitest.Want(t, bob.Do("DELETE", "/v1/me/apps/"+client.String(), ""), `204`)
	apitest.Want(t, bob.Do("DELETE", "/v1/me/apps/"+client.String(), ""), `204`)
	h.Clock.Advance(10 * time.Second)
	for _, c := range apps {
		apitest.Want(t, c.Do("GET", "/v1/events", ""), `401 access_token_invalid`)
	}
	for _, c := range []apitest.Caller{stays, hers} {
		apitest.Want(t, c.Do("GET", "/v1/events", ""), `200`)
	}
	apitest.Want(t, bob.Do("GET", "/v1/me/apps", ""), `200 `+kept.String()+` !`+client.String())
	apitest.Want(t, bob.Do("GET", "/v1/me/events", ""), `200 "action":"oauth_grant.revoke" "detail":"Invoices"`)
	for _, c := range []apitest.Caller{acme, other} {
		r := c.Do("GET", "/v1/audit-log?action=oauth_grant.revoke", "")
		if n := strings.Count(r.Body, `"reason":"revoked"`); n != 1 {
			t.Errorf("%d entries: %s", n, r.Body)
		}
	}
	h.Clock.Advance(2 * time.Hour)
	apitest.Want(t, bob.Do("GET", "/v1/me/apps", ""), `200 "data":[]`) // it has ended by itself
}

// A member who has never signed up has no account.
func TestWithoutAccount(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	apitest.Want(t, acme.AsMember(acme.NewMember("never@example.com", role.Owner)).Do("GET", "/v1/me", ""), "401 account_missing")
}
