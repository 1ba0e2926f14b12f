package limits_test

import (
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/dynamo"
)

// Staff set and reset the limits of an organization. Its item has them, and DynamoDB
// does not remove the item while there are any.
func TestOrganizationLimits(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	named := []string{"Portico-Organization", acme.Org.String()}
	missing := []string{"Portico-Organization", "org_01890000000000000000000000"}
	narrow := func(permission string) apitest.Caller {
		return apitest.Caller{Harness: h, Key: h.Bootstrap(`{"command":"create_staff_key","name":"Ada","permissions":["` + permission + `"]}`).StaffKey}
	}
	for _, tt := range []struct {
		name, method, policy, body string
		as                         apitest.Caller
		headers                    []string
		want, item                 string
	}{
		{"reset what is not set", "DELETE", "organization_work", "", staff, named, `200 "limit":60000000 "staff_limit":null`, ""},
		{"set", "PUT", "organization_work", `{"limit":100}`, staff, named, `200 "name":"organization_work" "limit":100 "staff_limit":100 "overridden_by":"staff"`, "organization_work=100"},
		{"raise another", "PUT", "organization_requests", `{"limit":100000000}`, narrow("limits:write"), named, `200 "limit":100000000`, "organization_requests=100000000 organization_work=100"},
		{"set again", "PUT", "organization_work", `{"limit":90}`, staff, named, `200 "limit":90`, "organization_requests=100000000 organization_work=90"},
		{"reset", "DELETE", "organization_requests", "", staff, named, `200 "limit":60000000 "overridden_by":null`, "organization_work=90"},
		{"too high", "PUT", "organization_work", `{"limit":100000001}`, staff, named, `422 body.limit`, "organization_work=90"},
		{"nothing", "PUT", "organization_work", `{}`, staff, named, `422 limit`, "organization_work=90"},
		{"a policy that does not exist", "PUT", "sessions", `{"limit":1}`, staff, named, `404 limit_not_found`, "organization_work=90"},
		{"reset one that does not exist", "DELETE", "sessions", "", staff, named, `404 limit_not_found`, "organization_work=90"},
		{"a key's policy", "PUT", "requests", `{"limit":1}`, staff, named, `404 limit_not_found`, "organization_work=90"},
		{"without organization", "PUT", "organization_work", `{"limit":1}`, staff, nil, `422 header.Portico-Organization`, "organization_work=90"},
		{"reset without organization", "DELETE", "organization_work", "", staff, nil, `422 header.Portico-Organization`, "organization_work=90"},
		{"of a missing organization", "PUT", "organization_work", `{"limit":1}`, staff, missing, `404 organization_not_found`, "organization_work=90"},
		{"by its owner", "PUT", "organization_work", `{"limit":1}`, acme, nil, `403 staff_only`, "organization_work=90"},
		{"reset by its owner", "DELETE", "organization_work", "", acme, nil, `403 staff_only`, "organization_work=90"},
		{"by staff without permission", "PUT", "organization_work", `{"limit":1}`, narrow(string(auth.LimitsRead)), named, `403 limits:write`, "organization_work=90"},
		{"without a key", "PUT", "organization_work", `{"limit":1}`, apitest.Caller{Harness: h}, nil, `401 api_key_missing`, "organization_work=90"},
		{"reset the last", "DELETE", "organization_work", "", staff, named, `200 "limit":60000000`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/organization/limits/"+tt.policy, tt.body, tt.headers...), tt.want)
			item := h.LimitItem(acme.Org)
			if got := dynamo.TextOf(item["limits"]); got != tt.item {
				t.Errorf("the organization's item says %q, want %q", got, tt.item)
			}
			if _, ends, _ := dynamo.NumberOf(item["expires_at"]); len(item) > 0 && ends != (tt.item == "") {
				t.Errorf("DynamoDB will remove the item: %v, with the limits %q", ends, tt.item)
			}
		})
	}
}

// An organization's limits are in force before the reply; if that is impossible, they
// are not changed. If the table is lost, the next key that is projected brings them back.
func TestLimitsOfAnOrganizationSurviveFailures(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	named := []string{"Portico-Organization", acme.Org.String()}
	const path = "/v1/organization/limits/organization_work"
	apitest.Want(t, staff.Do("PUT", path, `{"limit":100}`, named...), `200 "limit":100`)
	deaf := staff.Environment(func(_, body string) bool { return strings.Contains(body, "limits") })
	apitest.Want(t, deaf.Do("PUT", path, `{"limit":50}`, named...), `503 unavailable`)
	apitest.Want(t, acme.Do("GET", "/v1/limits", ""), `200 "staff_limit":100 !"staff_limit":50`)
	h.LoseLimitItem(acme.Org)
	_, key := acme.NewKey(`{"name":"x","permissions":["events:read"]}`)
	if got := dynamo.TextOf(h.LimitItem(acme.Org)["limits"]); got != "organization_work=100" {
		t.Errorf("after a key was created the organization's item says %q", got)
	}
	h.Exec(`DELETE FROM limit_override`)
	apitest.Want(t, acme.Do("PATCH", "/v1/api-keys/"+key, `{"name":"y"}`), "200")
	if got := dynamo.TextOf(h.LimitItem(acme.Org)["limits"]); got != "" {
		t.Errorf("the item still says %q although Postgres has no override", got)
	}
}
