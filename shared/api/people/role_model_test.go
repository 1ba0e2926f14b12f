package people_test

import (
	"sync"
	"testing"

	"portico/shared/api/apitest"
)

// A role model is changed only when it has all roles that are in use, so nobody's rights
// change with it. Then no other role can be given or made.
func TestRoleModel(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	owner := acme.NewMember("owner@example.com", "owner")
	viewer := acme.NewMember("viewer@example.com", "viewer")
	invited := acme.Make("/v1/invitations", `{"email":"invited@example.com","role":"developer"}`)
	connection := acme.Make("/v1/sso-connections", `{"type":"saml","name":"Okta"}`)
	own := acme.Make("/v1/roles", `{"name":"own","permissions":["events:read"]}`)
	other := acme.NewMember("own@example.com", own)
	const tooNarrow, wrong, noOther = `409 role_model_too_narrow `, `409 role_not_in_model `, `!"id":"developer" !"id":"viewer"`
	to := func(model string) string { return `{"settings":{"role_model":"` + model + `"}}` }
	for _, tt := range []struct{ name, method, path, body, want string }{
		{"an unknown model", "PATCH", "organization", to("flat"), `422 body.settings.role_model`},
		{"all in the way", "PATCH", "organization", to("two_tier"), tooNarrow + `owner, admin, member !members:write members 2, invitations 1, connections 1, directories 0. own: 1.`},
		{"a member without a role", "POST", "members", `{"email":"x@example.com"}`, `422 body.role`},
		{"an invitation without a role", "POST", "invitations", `{"email":"x@example.com"}`, `422 body.role`},
		{"the viewer becomes a member", "PATCH", "members/" + viewer, `{"role":"member"}`, `200 "role":"member"`},
		{"revoke the invitation", "DELETE", "invitations/" + invited, "", `204`},
		{"the connection gives another role", "PATCH", "sso-connections/" + connection, `{"default_role":"member"}`, `200 "default_role":"member"`},
		{"an own role in the way", "PATCH", "organization", to("two_tier"), tooNarrow + `members 1, invitations 0, connections 0, directories 0. own: 1.`},
		{"nobody's role has changed", "GET", "members/" + other, "", `200 "role":"` + own + `"`},
		{"remove who has it", "DELETE", "members/" + other, "", `204`},
		{"delete it", "DELETE", "roles/" + own, "", `204`},
		{"two tiers", "PATCH", "organization", to("two_tier"), `200 "role_model":"two_tier"`},
		{"the roles", "GET", "roles", "", `200 "id":"owner" "id":"admin" "id":"member" ` + noOther},
		{"a role of one's own", "POST", "roles", `{"name":"own","permissions":["events:read"]}`, wrong + `role_model two_tier owner, admin, member`},
		{"give another role", "PATCH", "members/" + viewer, `{"role":"developer"}`, wrong},
		{"add with another role", "POST", "members", `{"email":"x@example.com","role":"viewer"}`, wrong},
		{"invite with another role", "POST", "invitations", `{"email":"x@example.com","role":"viewer"}`, wrong},
		{"a connection that gives another role", "PATCH", "sso-connections/" + connection, `{"default_role":"viewer"}`, wrong},
		{"another connection", "POST", "sso-connections", `{"type":"saml","name":"Entra"}`, `201 "default_role":"member"`},
		{"add without a role", "POST", "members", `{"email":"x@example.com"}`, `201 "role":"member"`},
		{"invite without a role", "POST", "invitations", `{"email":"y@example.com"}`, `201 "role":"member"`},
		{"rename the member", "PATCH", "members/" + viewer, `{"name":"Ada"}`, `200 "role":"member"`},
		{"no roles", "PATCH", "organization", to("single"), tooNarrow + `members 2, invitations 1, connections 2,`},
		{"back", "PATCH", "organization", to("custom"), `200 "role_model":"custom"`},
		{"the same rights", "GET", "members/" + viewer, "", `200 "role":"member"`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, acme.Do(tt.method, "/v1/"+tt.path, tt.body), tt.want) })
	}
	evil := h.Organization("Evil")
	apitest.Want(t, evil.Do("PATCH", "/v1/organization", to("single")), `200 "role_model":"single"`)
	apitest.Want(t, evil.Do("POST", "/v1/members", `{"email":"x@example.com"}`), `201 "role":"owner"`)
	apitest.Want(t, evil.Do("POST", "/v1/members", `{"email":"y@example.com","role":"admin"}`), wrong)
	apitest.Want(t, acme.AsMember(owner).Do("PATCH", "/v1/organization", to("custom")), `200 "role_model":"custom"`)
	apitest.Want(t, acme.AsMember(viewer).Do("PATCH", "/v1/organization", to("custom")), `403 organization:write`)
}

// A role that is given while the model changes is one that the new model has, whichever comes
// first.
func TestRoleModelAtOnce(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	for range 10 {
		acme := h.Organization("Acme")
		var group sync.WaitGroup
		var changed, given apitest.Reply
		group.Go(func() { changed = acme.Do("PATCH", "/v1/organization", `{"settings":{"role_model":"two_tier"}}`) })
		group.Go(func() { given = acme.Do("POST", "/v1/members", `{"email":"ada@example.com","role":"viewer"}`) })
		group.Wait()
		if a, b := changed.Status, given.Status; (a != 200 || b != 409) && (a != 409 || b != 201) {
			t.Errorf("the change: %d %s\nthe member: %d %s", a, changed.Body, b, given.Body)
		}
	}
}
