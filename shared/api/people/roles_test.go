package people_test

import (
	"encoding/json"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// Every operation works on the caller's own roles, and on no other
// organization's. Nobody can make a role with more permissions than they have.
// Predefined roles do not change.
func TestRoles(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	own := acme.Make("/v1/roles", `{"name":"Support","description":"x","permissions":["events:read"],"condition":"true"}`)
	used := acme.Make("/v1/roles", `{"name":"Used","permissions":["organization:write"]}`)
	acme.NewMember("ada@example.com", used)
	foreign := evil.Make("/v1/roles", `{"name":"Support","permissions":["events:read"]}`)
	narrow := acme.With(auth.RolesRead, auth.RolesWrite, auth.EventsRead)

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"get own", "GET", "/" + own, "", acme, `200 "id":"` + own + `" "permissions":["events:read"] "condition":"true" "predefined":false`},
		{"get a predefined one", "GET", "/owner", "", acme, `200 "id":"owner" "predefined":true "created_at":null organization:write`},
		{"get missing", "GET", "/" + nobodysRole, "", acme, `404 role_not_found`},
		{"get another organization's", "GET", "/" + foreign, "", acme, `404 role_not_found`},
		{"get with a malformed id", "GET", "/king", "", acme, `422 path.id`},
		{"get without permission", "GET", "/" + own, "", acme.With(auth.EventsRead), `403 roles:read`},
		{"list", "GET", "", "", acme, `200 ` + own + ` "id":"owner" "id":"viewer" !` + foreign},
		{"list a page", "GET", "?limit=1", "", acme, `200 ` + used + ` !` + own + ` !"owner"`},
		{"create without permission", "POST", "", `{"name":"x","permissions":[]}`, acme.With(auth.RolesRead), `403 roles:write`},
		{"create without a name", "POST", "", `{"name":"","permissions":[]}`, acme, `422 body.name`},
		{"create with a name that is taken", "POST", "", `{"name":"SUPPORT","permissions":[]}`, acme, `409 role_name_taken`},
		{"create with an unknown permission", "POST", "", `{"name":"x","permissions":["events:read","events:burn"]}`, acme, `422 body.permissions[1]`},
		{"create with public", "POST", "", `{"name":"x","permissions":["public"]}`, acme, `422 body.permissions[0]`},
		{"create with what one lacks", "POST", "", `{"name":"x","permissions":["events:read","events:write"]}`, narrow, `403 grant_exceeded events:write`},
		{"create with a malformed condition", "POST", "", `{"name":"x","permissions":[],"condition":"what?"}`, acme, `422 body.condition`},
		{"create with a second policy", "POST", "", `{"name":"x","permissions":[],"condition":"true }; permit (principal, action, resource) when { true"}`, acme, `422 body.condition`},
		{"create with a long condition", "POST", "", `{"name":"x","permissions":[],"condition":"` + string(make1001()) + `"}`, acme, `422 body.condition`},
		{"update own", "PATCH", "/" + own, `{"permissions":["events:read","events:write"],"condition":""}`, acme, `200 ["events:read","events:write"] "condition":""`},
		{"update with what one lacks", "PATCH", "/" + own, `{"permissions":["members:write"]}`, narrow, `403 grant_exceeded members:write`},
		{"free a stronger role of its condition", "PATCH", "/" + used, `{"condition":""}`, narrow, `403 grant_exceeded organization:write`},
		{"weaken a stronger role", "PATCH", "/" + used, `{"permissions":["events:read"]}`, narrow, `403 grant_exceeded organization:write`},
		{"update with an unknown permission", "PATCH", "/" + own, `{"permissions":["x"]}`, acme, `422 body.permissions[0]`},
		{"update with a name that is taken", "PATCH", "/" + own, `{"name":"used"}`, acme, `409 role_name_taken`},
		{"update a predefined one", "PATCH", "/viewer", `{"name":"x"}`, acme, `409 role_is_predefined`},
		{"update another organization's", "PATCH", "/" + foreign, `{"name":"x"}`, acme, `404 role_not_found`},
		{"update without permission", "PATCH", "/" + own, `{"name":"x"}`, acme.With(auth.RolesRead), `403 roles:write`},
		{"delete a predefined one", "DELETE", "/owner", "", acme, `409 role_is_predefined`},
		{"delete one in use", "DELETE", "/" + used, "", acme, `409 role_in_use`},
		{"delete a stronger one", "DELETE", "/" + used, "", narrow, `403 grant_exceeded`},
		{"delete another organization's", "DELETE", "/" + foreign, "", acme, `404 role_not_found`},
		{"delete own", "DELETE", "/" + own, "", acme, `204`},
		{"delete again", "DELETE", "/" + own, "", acme, `404 role_not_found`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do(tt.method, "/v1/roles"+tt.path, tt.body), tt.want) })
	}
}

func make1001() []byte {
	b := make([]byte, 1001)
	for i := range b {
		b[i] = ' '
	}
	return b
}

// A member's permissions say what is allowed and why: by which role or grant, and
// under which condition. Unknown values allow nothing.
func TestMemberPermissions(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	office := acme.Make("/v1/roles", `{"name":"Office","permissions":["events:read"],"condition":"context.ip.isInRange(ip(\"192.0.2.0/24\"))"}`)
	ada := acme.NewMember("ada@example.com", office)
	stranger := evil.NewMember("eve@example.com", "owner")
	endpoint, _ := acme.NewEndpoint(`["*"]`)
	other, _ := acme.NewEndpoint(`["*"]`)
	foreign, _ := evil.NewEndpoint(`["*"]`)
	grant := acme.Make("/v1/resource-grants", `{"member_id":"`+ada+`","permission":"webhook_endpoints:write","resource_id":"`+endpoint+`"}`)

	for _, tt := range []struct{ name, query, permission, want string }{
		{"from the office", "?ip=192.0.2.7", "events:read", `{"permission":"events:read","allowed":true,"sources":[{"type":"role","id":"` + office + `","name":"Office","condition":"context.ip.isInRange(ip(\"192.0.2.0/24\"))","allows":true,"reason":""}]}`},
		{"a permission that nothing gives", "?ip=192.0.2.7", "events:write", `{"permission":"events:write","allowed":false,"sources":[]}`},
		{"on the granted resource", "?resource=" + endpoint, "webhook_endpoints:write", `{"permission":"webhook_endpoints:write","allowed":true,"sources":[{"type":"resource_grant","id":"` + grant + `","name":"","condition":"","allows":true,"reason":""}]}`},
		{"on another resource", "?resource=" + other, "webhook_endpoints:write", `{"permission":"webhook_endpoints:write","allowed":false,"sources":[]}`},
		{"in general", "", "webhook_endpoints:write", `{"permission":"webhook_endpoints:write","allowed":false,"sources":[]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := acme.Do("GET", "/v1/members/"+ada+"/permissions"+tt.query, "")
			if got := permissionOf(t, r, tt.permission); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	for _, query := range []string{"", "?ip=198.51.100.1"} {
		apitest.Want(t, acme.Do("GET", "/v1/members/"+ada+"/permissions"+query, ""), `200 !"allowed":true "reason":"The`)
	}
	for path, expected := range map[string]string{
		ada + "/permissions?ip=home":                                "422 query.ip",
		ada + "/permissions?resource=x":                             "422 query.resource",
		ada + "/permissions?resource=" + foreign:                    "404 resource_not_found",
		ada + "/permissions?resource=we_01890000000000000000000000": "404 resource_not_found",
		stranger + "/permissions":                                   "404 member_not_found",
		nobodysMember + "/permissions":                              "404 member_not_found",
	} {
		apitest.Want(t, acme.Do("GET", "/v1/members/"+path, ""), expected)
	}
	apitest.Want(t, acme.With(auth.RolesRead).Do("GET", "/v1/members/"+ada+"/permissions", ""), "403 members:read")
	r := acme.Do("GET", "/v1/permissions", "")
	for _, p := range auth.All() {
		apitest.Want(t, r, `200 "id":"`+string(p)+`"`)
	}
	apitest.Want(t, acme.With(auth.MembersRead).Do("GET", "/v1/permissions", ""), "403 roles:read")
}

func permissionOf(t *testing.T, r apitest.Reply, permission string) string {
	t.Helper()
	var body struct{ Data []json.RawMessage }
	if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
		t.Fatal(err)
	}
	for _, raw := range body.Data {
		var p struct{ Permission string }
		if json.Unmarshal(raw, &p) == nil && p.Permission == permission {
			return string(raw)
		}
	}
	return r.Body
}
