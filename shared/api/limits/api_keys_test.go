package limits_test

import (
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// An organization can lower the limits of its own keys, staff can set any.
func TestAPIKeyLimits(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	user, own := acme.NewKey(`{"name":"own","permissions":["events:read"]}`)
	_, foreign := evil.NewKey(`{"name":"foreign","permissions":["events:read"]}`)
	_, ended := acme.NewKey(`{"name":"ended","permissions":["events:read"]}`)
	apitest.Want(t, acme.Do("POST", "/v1/api-keys/"+ended+"/revoke", ""), "200")
	missing := "key_01890000000000000000000000"
	reader, nobody, anonymous := acme.With(auth.APIKeysRead), acme.With(auth.EventsRead), apitest.Caller{Harness: h}
	lesser := acme.With(auth.APIKeysWrite)

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want, item               string // what the key's item says afterwards
	}{
		{"list", "GET", own + "/limits", "", reader, `200 "name":"requests" "name":"work" "own_limit":null !organization_work !refused_requests`, ""},
		{"list of a missing key", "GET", missing + "/limits", "", acme, `404 api_key_not_found`, ""},
		{"list another organization's", "GET", foreign + "/limits", "", acme, `404 api_key_not_found`, ""},
		{"list without permission", "GET", own + "/limits", "", nobody, `403 api_keys:read`, ""},
		{"list without a key", "GET", own + "/limits", "", anonymous, `401 api_key_missing`, ""},
		{"list with another noun's id", "GET", "we_01890000000000000000000000/limits", "", acme, `422 path.id`, ""},
		{"set", "PUT", own + "/limits/requests", `{"limit":100}`, acme, `200 "limit":100 "burst":200 "own_limit":100 "staff_limit":null "overridden_by":"organization"`, "own.requests=100"},
		{"set again", "PUT", own + "/limits/requests", `{"limit":50}`, acme, `200 "limit":50`, "own.requests=50"},
		{"set a second one", "PUT", own + "/limits/work", `{"limit":9}`, acme, `200 "limit":9`, "own.requests=50 own.work=9"},
		{"list what is set", "GET", own + "/limits", "", reader, `200 "own_limit":50 "own_limit":9`, "own.requests=50 own.work=9"},
		{"reset the second one", "DELETE", own + "/limits/work", "", acme, `200 "limit":60000000 "own_limit":null "overridden_by":null`, "own.requests=50"},
		{"reset it again", "DELETE", own + "/limits/work", "", acme, `200 "limit":60000000`, "own.requests=50"},
		{"set the default", "PUT", own + "/limits/requests", `{"limit":1000000}`, acme, `200 "limit":1000000 "own_limit":1000000 "overridden_by":null`, "own.requests=1000000"},
		{"set above the default", "PUT", own + "/limits/requests", `{"limit":1000001}`, acme, `422 body.limit 1000000 staff`, "own.requests=1000000"},
		{"staff raise it", "PUT", own + "/limits/requests", `{"limit":2000000}`, staff, `200 "limit":1000000 "staff_limit":2000000`, "own.requests=1000000 requests=2000000"},
		{"set up to what staff have set", "PUT", own + "/limits/requests", `{"limit":2000000}`, acme, `200 "limit":2000000 "overridden_by":"staff"`, "own.requests=2000000 requests=2000000"},
		{"set above what staff have set", "PUT", own + "/limits/requests", `{"limit":2000001}`, acme, `422 body.limit 2000000`, "own.requests=2000000 requests=2000000"},
		{"staff lower it", "PUT", own + "/limits/requests", `{"limit":5}`, staff, `200 "limit":5 "staff_limit":5 "own_limit":2000000`, "own.requests=2000000 requests=5"},
		{"reset does not touch that of staff", "DELETE", own + "/limits/requests", "", acme, `200 "limit":5 "staff_limit":5 "own_limit":null`, "requests=5"},
		{"staff set the highest", "PUT", own + "/limits/requests", `{"limit":100000000}`, staff, `200 "limit":100000000 "burst":200000000`, "requests=100000000"},
		{"staff set a higher one", "PUT", own + "/limits/requests", `{"limit":100000001}`, staff, `422 body.limit`, "requests=100000000"},
		{"staff reset it", "DELETE", own + "/limits/requests", "", staff, `200 "limit":1000000 "staff_limit":null`, ""},
		{"no limit", "PUT", own + "/limits/requests", `{"limit":0}`, acme, `422 body.limit`, ""},
		{"a fraction", "PUT", own + "/limits/requests", `{"limit":1.5}`, acme, `422 body.limit`, ""},
		{"nothing", "PUT", own + "/limits/requests", `{}`, acme, `422 limit`, ""},
		{"another field", "PUT", own + "/limits/requests", `{"limit":1,"burst":9}`, acme, `422 body.burst`, ""},
		{"a policy that does not exist", "PUT", own + "/limits/sessions", `{"limit":1}`, acme, `404 limit_not_found`, ""},
		{"reset one that does not exist", "DELETE", own + "/limits/sessions", "", acme, `404 limit_not_found`, ""},
		{"an organization's policy", "PUT", own + "/limits/organization_work", `{"limit":1}`, staff, `404 limit_not_found`, ""},
		{"an address's policy", "PUT", own + "/limits/refused_requests", `{"limit":1}`, staff, `404 limit_not_found`, ""},
		{"set another organization's", "PUT", foreign + "/limits/requests", `{"limit":1}`, acme, `404 api_key_not_found`, ""},
		{"reset another organization's", "DELETE", foreign + "/limits/requests", "", acme, `404 api_key_not_found`, ""},
		{"set of a missing key", "PUT", missing + "/limits/requests", `{"limit":1}`, acme, `404 api_key_not_found`, ""},
		{"set without permission", "PUT", own + "/limits/requests", `{"limit":1}`, reader, `403 api_keys:write`, ""},
		{"reset without permission", "DELETE", own + "/limits/requests", "", reader, `403 api_keys:write`, ""},
		{"set of a key that can do more", "PUT", own + "/limits/requests", `{"limit":1}`, lesser, `403 grant_exceeded events:read`, ""},
		{"reset of a key that can do more", "DELETE", own + "/limits/requests", "", lesser, `403 grant_exceeded`, ""},
		{"set of a revoked key", "PUT", ended + "/limits/requests", `{"limit":1}`, acme, `409 api_key_ended`, ""},
		{"reset of a revoked key", "DELETE", ended + "/limits/requests", "", acme, `409 api_key_ended`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if tt.as.Key == staff.Key {
				headers = []string{"Portico-Organization", acme.Org.String()}
			}
			apitest.Want(t, tt.as.Do(tt.method, "/v1/api-keys/"+tt.path, tt.body, headers...), tt.want)
			if item := user.Overrides(); item != tt.item {
				t.Errorf("the key's item says %q, want %q", item, tt.item)
			}
		})
	}
	entries := testkit.Value[[]string](t, h.Database, `
		SELECT array_agg(action || ' ' || coalesce(before::text, '') || ' ' || coalesce(after::text, '') ORDER BY id) FROM audit_entry WHERE noun = 'limit'`)
	if list := strings.Join(entries, "\n"); !strings.HasPrefix(list, `limit.override {"own_limit":null} {"own_limit":100}`) || !strings.Contains(list, `limit.reset {"staff_limit":100000000} {"staff_limit":null}`) {
		t.Errorf("the audit log says\n%s", list)
	}
}

// A rotated key keeps its limits, those of staff too.
func TestRotationKeepsLimits(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	_, key := acme.NewKey(`{"name":"x","permissions":["events:read"]}`)
	apitest.Want(t, acme.Do("PUT", "/v1/api-keys/"+key+"/limits/requests", `{"limit":100}`), "200")
	apitest.Want(t, staff.Do("PUT", "/v1/api-keys/"+key+"/limits/work", `{"limit":9}`, "Portico-Organization", acme.Org.String()), "200")
	r := acme.Do("POST", "/v1/api-keys/"+key+"/rotate", "")
	next := acme
	next.Key = r.Get(t, "key")
	if got := next.Overrides(); got != "own.requests=100 work=9" {
		t.Errorf("the new key's item says %q", got)
	}
	apitest.Want(t, acme.Do("GET", "/v1/api-keys/"+r.Get(t, "id")+"/limits", ""), `200 "own_limit":100 "staff_limit":9`)
}

// A change of a key's limits is not lost when the process ends right after the commit:
// the key's next use projects it. A change that cannot be announced is not made.
func TestLimitsOfAKeySurviveFailures(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	user, key := acme.NewKey(`{"name":"x","permissions":["events:read"]}`)
	forgotten := false
	dies := acme.Environment(func(call, body string) bool {
		if strings.Contains(body, "REMOVE org") {
			forgotten = true
			return false
		}
		return forgotten && call == "UpdateItem"
	})
	apitest.Want(t, dies.Do("PUT", "/v1/api-keys/"+key+"/limits/requests", `{"limit":100}`), `200 "limit":100`)
	if got := user.Overrides(); got != "" || !forgotten {
		t.Fatalf("the environment projected %q", got)
	}
	user.Environment(apitest.Never).Works("after the environment died", true)
	if got := user.Overrides(); got != "own.requests=100" {
		t.Errorf("the key's next use has projected %q", got)
	}
	deaf := acme.Environment(func(_, body string) bool { return strings.Contains(body, "REMOVE org") })
	apitest.Want(t, deaf.Do("PUT", "/v1/api-keys/"+key+"/limits/requests", `{"limit":50}`), `503 unavailable`)
	apitest.Want(t, acme.Do("GET", "/v1/api-keys/"+key+"/limits", ""), `200 "own_limit":100 !"own_limit":50`)
}
