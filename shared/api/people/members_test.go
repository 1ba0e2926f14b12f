package people_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

const nobodysRole, nobodysMember, nobodysGrant = "role_01890000000000000000000000", "mem_01890000000000000000000000", "grant_01890000000000000000000000"

// Every operation works on the caller's own members, and on no other
// organization's. Nobody can give or take a role that has more permissions than
// they have.
func TestMembers(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	owner := acme.NewMember("owner@example.com", "owner")
	own := acme.NewMember("Ada@example.com", "viewer")
	foreign := evil.NewMember("ada@example.com", "owner")
	strong := acme.Make("/v1/roles", `{"name":"strong","permissions":["organization:write"]}`)
	weak := acme.Make("/v1/roles", `{"name":"weak","permissions":["events:read"]}`)
	foreignRole := evil.Make("/v1/roles", `{"name":"weak","permissions":["events:read"]}`)
	reader := acme.With(auth.MembersRead)
	narrow := acme.With(auth.MembersRead, auth.MembersWrite, auth.EventsRead)

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"get own", "GET", "/" + own, "", acme, `200 "id":"` + own + `" "email":"ada@example.com" "role":"viewer" !usr_`},
		{"get missing", "GET", "/" + nobodysMember, "", acme, `404 member_not_found`},
		{"get another organization's", "GET", "/" + foreign, "", acme, `404 member_not_found`},
		{"get with a malformed id", "GET", "/mem_1", "", acme, `422 path.id`},
		{"get without permission", "GET", "/" + own, "", acme.With(auth.EventsRead), `403 members:read`},
		{"list own", "GET", "", "", acme, `200 ` + own + ` ` + owner + ` !` + foreign},
		{"list with a forged cursor", "GET", "?after=AAAA", "", acme, `422 query.after`},
		{"create without permission", "POST", "", `{"email":"x@example.com","role":"viewer"}`, reader, `403 members:write`},
		{"create without an address", "POST", "", `{"role":"viewer"}`, acme, `422 email`},
		{"create with half an address", "POST", "", `{"email":"ada","role":"viewer"}`, acme, `422 body.email`},
		{"create with a name in the address", "POST", "", `{"email":"Ada <ada@example.com>","role":"viewer"}`, acme, `422 body.email`},
		{"create with NUL in the name", "POST", "", `{"email":"x@example.com","name":"a\u0000","role":"viewer"}`, acme, `422 body.name`},
		{"create with an unknown role", "POST", "", `{"email":"x@example.com","role":"king"}`, acme, `422 body.role`},
		{"create with a missing role", "POST", "", `{"email":"x@example.com","role":"` + nobodysRole + `"}`, acme, `404 role_not_found`},
		{"create with another organization's role", "POST", "", `{"email":"x@example.com","role":"` + foreignRole + `"}`, acme, `404 role_not_found`},
		{"create twice, in other case", "POST", "", `{"email":"ADA@example.com","role":"viewer"}`, acme, `409 member_exists`},
		{"create with a role that one could not have", "POST", "", `{"email":"x@example.com","role":"viewer"}`, narrow, `403 grant_exceeded`},
		{"create an owner with a narrow key", "POST", "", `{"email":"x@example.com","role":"owner"}`, narrow, `403 grant_exceeded`},
		{"create with a narrow role of one's own", "POST", "", `{"email":"x@example.com","role":"` + weak + `"}`, narrow, `201 "role":"` + weak + `"`},
		{"create with an unknown language", "POST", "", `{"email":"x@example.com","role":"viewer","locale":"tlh"}`, acme, `422 body.locale`},
		{"create with a language", "POST", "", `{"email":"y@example.com","role":"viewer","locale":"de"}`, acme, `201 "locale":"de"`},
		{"set the language", "PATCH", "/" + own, `{"locale":"fr"}`, acme, `200 "locale":"fr"`},
		{"set a wrong language", "PATCH", "/" + own, `{"locale":"french"}`, acme, `422 body.locale`},
		{"keep the language", "PATCH", "/" + own, `{"name":"Ada"}`, acme, `200 "locale":"fr"`},
		{"take the organization's language", "PATCH", "/" + own, `{"locale":""}`, acme, `200 "locale":null`},
		{"rename", "PATCH", "/" + own, `{"name":"Ada L."}`, narrow, `200 L." "role":"viewer"`},
		{"promote", "PATCH", "/" + own, `{"role":"` + strong + `"}`, acme, `200 "role":"` + strong + `"`},
		{"promote beyond one's own", "PATCH", "/" + own, `{"role":"owner"}`, narrow, `403 grant_exceeded`},
		{"demote who has more", "PATCH", "/" + own, `{"role":"` + weak + `"}`, narrow, `403 grant_exceeded organization:write`},
		{"give a missing role", "PATCH", "/" + own, `{"role":"` + nobodysRole + `"}`, acme, `404 role_not_found`},
		{"give another organization's role", "PATCH", "/" + own, `{"role":"` + foreignRole + `"}`, acme, `404 role_not_found`},
		{"update another organization's", "PATCH", "/" + foreign, `{"role":"viewer"}`, acme, `404 member_not_found`},
		{"update without permission", "PATCH", "/" + own, `{"name":"x"}`, reader, `403 members:write`},
		{"change the address", "PATCH", "/" + own, `{"email":"other@example.com"}`, acme, `422 body.email`},
		{"demote the last owner", "PATCH", "/" + owner, `{"role":"admin"}`, acme, `409 last_owner`},
		{"the last owner stays owner", "PATCH", "/" + owner, `{"role":"owner"}`, acme, `200 "role":"owner"`},
		{"delete the last owner", "DELETE", "/" + owner, "", acme, `409 last_owner`},
		{"delete who has more", "DELETE", "/" + own, "", narrow, `403 grant_exceeded`},
		{"delete another organization's", "DELETE", "/" + foreign, "", acme, `404 member_not_found`},
		{"delete own", "DELETE", "/" + own, "", acme, `204`},
		{"delete again", "DELETE", "/" + own, "", acme, `404 member_not_found`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do(tt.method, "/v1/members"+tt.path, tt.body), tt.want) })
	}
	a, b := acme.Do("GET", "/v1/members/"+nobodysMember, ""), acme.Do("GET", "/v1/members/"+foreign, "")
	if a.Body != b.Body {
		t.Errorf("missing\n%s differs from another organization's\n%s", a.Body, b.Body)
	}
}

// A person is one user in all organizations, and each organization has its own
// name for them. No organization learns that another one has them as a member. A
// user without a membership is deleted.
func TestUsersAreShared(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	first := acme.Do("POST", "/v1/members", `{"email":"ada@example.com","name":"Countess","role":"viewer"}`)
	second := evil.Do("POST", "/v1/members", `{"email":"ADA@example.com","name":"","role":"viewer"}`)
	apitest.Want(t, second, `201 "name":"" !Countess "email":"ada@example.com"`)
	users := func() int { return testkit.Value[int](t, h.Database, `SELECT count(*) FROM user_account`) }
	if n := users(); n != 1 {
		t.Errorf("%d users for one address, want 1", n)
	}
	apitest.Want(t, acme.Do("DELETE", "/v1/members/"+first.Get(t, "id"), ""), "204")
	if n := users(); n != 1 {
		t.Errorf("%d users while one is a member of another organization, want 1", n)
	}
	apitest.Want(t, evil.Do("DELETE", "/v1/members/"+second.Get(t, "id"), ""), "204")
	if n := users(); n != 0 {
		t.Errorf("%d users without a membership are left", n)
	}
}

// If two owners leave at the same moment, one of them stays. Both requests run
// until they wait for a row, and then continue together.
func TestLastOwnersLeaveTogether(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	a, b := acme.NewMember("a@example.com", "owner"), acme.NewMember("b@example.com", "owner")
	holder := testkit.Session(t, h.Admin.Config())
	testkit.Exec(t, holder, `BEGIN; SELECT FROM member FOR UPDATE`)
	replies := make([]apitest.Reply, 2)
	var wg sync.WaitGroup
	wg.Go(func() { replies[0] = acme.Do("DELETE", "/v1/members/"+a, "") })
	wg.Go(func() { replies[1] = acme.Do("PATCH", "/v1/members/"+b, `{"role":"viewer"}`) })
	const waiting = `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity s USING (pid) WHERE NOT granted AND s.datname = current_database()`
	testkit.Await(t, "both requests to wait for the owners' rows", func() bool { return testkit.Value[int](t, h.Database, waiting) >= 2 })
	testkit.Exec(t, holder, `COMMIT`)
	wg.Wait()
	refused := 0
	for _, r := range replies {
		if r.Status == http.StatusConflict && strings.Contains(r.Body, "last_owner") {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d of two were refused: %v", refused, replies)
	}
}

// Resource grants: an organization sees only its own, for resources that exist
// behind the wall, and nobody can give what they do not have.
func TestResourceGrants(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	ada, bob := acme.NewMember("ada@example.com", "viewer"), acme.NewMember("bob@example.com", "viewer")
	stranger := evil.NewMember("eve@example.com", "viewer")
	endpoint, _ := acme.NewEndpoint(`["*"]`)
	foreignEndpoint, _ := evil.NewEndpoint(`["*"]`)
	body := func(member, permission, resource string) string {
		return `{"member_id":"` + member + `","permission":"` + permission + `","resource_id":"` + resource + `"}`
	}
	const write = "webhook_endpoints:write"
	own := acme.Make("/v1/resource-grants", body(ada, write, endpoint))
	foreign := evil.Make("/v1/resource-grants", body(stranger, write, foreignEndpoint))
	narrow := acme.With(auth.MembersRead, auth.MembersWrite)

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"list", "GET", "", "", acme, `200 ` + own + ` !` + foreign + ` "resource_type":"webhook_endpoint"`},
		{"list a member's", "GET", "?member_id=" + ada, "", acme, `200 ` + own},
		{"list another member's", "GET", "?member_id=" + bob, "", acme, `200 !` + own},
		{"list without permission", "GET", "", "", acme.With(auth.EventsRead), `403 members:read`},
		{"again", "POST", "", body(ada, write, endpoint), acme, `409 resource_grant_exists`},
		{"to a missing member", "POST", "", body(nobodysMember, write, endpoint), acme, `404 member_not_found`},
		{"to another organization's member", "POST", "", body(stranger, write, endpoint), acme, `404 member_not_found`},
		{"on another organization's resource", "POST", "", body(bob, write, foreignEndpoint), acme, `404 resource_not_found`},
		{"on a missing resource", "POST", "", body(bob, write, "we_01890000000000000000000000"), acme, `404 resource_not_found`},
		{"on a missing event", "POST", "", body(bob, "events:read", "evt_01890000000000000000000000"), acme, `404 resource_not_found`},
		{"on something else", "POST", "", body(bob, write, bob), acme, `422 body.resource_id`},
		{"on a malformed id", "POST", "", body(bob, write, "we_1"), acme, `422 body.resource_id`},
		{"with a malformed member", "POST", "", body("mem_1", write, endpoint), acme, `422 body.member_id`},
		{"of a permission that is not about it", "POST", "", body(bob, "members:write", endpoint), acme, `422 body.permission`},
		{"of an unknown permission", "POST", "", body(bob, "x", endpoint), acme, `422 body.permission`},
		{"of what one lacks", "POST", "", body(bob, write, endpoint), narrow, `403 grant_exceeded ` + write},
		{"without permission", "POST", "", body(bob, write, endpoint), acme.With(auth.WebhookEndpointsWrite), `403 members:write`},
		{"take back what one lacks", "DELETE", "/" + own, "", narrow, `403 grant_exceeded`},
		{"take back another organization's", "DELETE", "/" + foreign, "", acme, `404 resource_grant_not_found`},
		{"take back a missing one", "DELETE", "/" + nobodysGrant, "", acme, `404 resource_grant_not_found`},
		{"take back", "DELETE", "/" + own, "", acme, `204`},
		{"take back again", "DELETE", "/" + own, "", acme, `404 resource_grant_not_found`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/resource-grants"+tt.path, tt.body), tt.want)
		})
	}
}
