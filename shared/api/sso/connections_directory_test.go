package sso_test

import (
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/role"
	"portico/shared/testkit"
)

// Every operation works on the directory of the caller's own organization. A token is shown
// once and kept as a hash; nobody can give groups a role with more than they have.
func TestDirectories(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	const path = "/v1/sso-connections"
	own, foreign := acme.Make(path, `{`+entra+`}`), evil.Make(path, `{`+entra+`}`)
	apitest.Want(t, evil.Do("POST", path+"/"+foreign+"/directory", "{}"), "201 ")
	strong := acme.Make("/v1/roles", `{"name":"strong","permissions":["organization:write"]}`)
	owner := acme.NewMember("ada@example.com", role.Owner)
	stale := acme.AsMember(owner)
	stale.As.Proved = h.Clock.Now().Add(-time.Hour)
	narrow := acme.With(auth.SSOConnectionsRead, auth.SSOConnectionsWrite)
	roles := func(role string) string { return `{"group_roles":[{"group":"Engineering","role":"` + role + `"}]}` }
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"get none", "GET", own + "/directory", "", acme, `404 directory_not_found`},
		{"change none", "PATCH", own + "/directory", "{}", acme, `404 directory_not_found`},
		{"without permission", "POST", own + "/directory", "{}", acme.With(auth.SSOConnectionsRead), `403 sso_connections:write`},
		{"without a recent proof", "POST", own + "/directory", "{}", stale, `403 reauthentication_required`},
		{"a role beyond one's own", "POST", own + "/directory", roles("viewer"), narrow, `403 grant_exceeded`},
		{"no such role", "POST", own + "/directory", roles("role_01890000000000000000000000"), acme, `404 role_not_found`},
		{"a malformed role", "POST", own + "/directory", roles("king"), acme, `422 body.group_roles[0].role`},
		{"another organization's", "POST", foreign + "/directory", "{}", acme, `404 sso_connection_not_found`},
		{"create", "POST", own + "/directory", roles(strong), acme, `201 "token":"pds_ /scim/v2/` + own + ` "role":"` + strong + `"`},
		{"create again", "POST", own + "/directory", "{}", acme, `409 directory_exists`},
		{"get", "GET", own + "/directory", "", acme, `200 "group":"Engineering" !pds_`},
		{"a role that a group gives", "DELETE", "../roles/" + strong, "", acme, `409 role_in_use`},
		{"take over beyond one's own", "PATCH", own + "/directory", "{}", narrow, `403 grant_exceeded`},
		{"change", "PATCH", own + "/directory", roles("developer"), acme, `200 "role":"developer"`},
		{"a role model without it", "PATCH", "../organization", `{"settings":{"role_model":"two_tier"}}`, acme, `409 role_model_too_narrow directories 1.`},
		{"no roles", "PATCH", own + "/directory", `{"group_roles":[]}`, acme, `200 "group_roles":[]`},
		{"rotate", "POST", own + "/directory/rotate-token", "", acme, `200 "token":"pds_`},
		{"rotate another organization's", "POST", foreign + "/directory/rotate-token", "", acme, `404 sso_connection_not_found`},
		{"delete another organization's", "DELETE", foreign + "/directory", "", acme, `404 sso_connection_not_found`},
		{"delete", "DELETE", own + "/directory", "", acme, `204`},
		{"delete again", "DELETE", own + "/directory", "", acme, `404 directory_not_found`},
		{"the other one is as it was", "GET", foreign + "/directory", "", evil, `200 "group_roles":[]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := path + "/" + tt.path
			if len(tt.path) > 3 && tt.path[:3] == "../" {
				at = "/v1" + tt.path[2:]
			}
			apitest.Want(t, tt.as.Do(tt.method, at, tt.body), tt.want)
		})
	}
	made := acme.Do("POST", path+"/"+own+"/directory", "{}").Get(t, "token")
	if found := apitest.RowsWith(t, h, made[4:]); len(found) > 0 {
		t.Errorf("the token is in %v", found)
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM directory`); n != 2 {
		t.Errorf("%d directories", n)
	}
}
