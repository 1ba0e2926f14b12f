package audit_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/org"
	"portico/shared/testkit"
)

// The platform's log says which staff keys and organizations were made and ended, also
// when nothing of the organization is left. It has their ids and names only. An
// organization's own log has the entry as a whole, and both chains are valid.
func TestPlatformLogOutlives(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	made := staff.Do("POST", "/v1/organizations", `{"name":"Initech"}`)
	apitest.Want(t, made, "201 ")
	initech := made.Get(t, "id")
	apitest.Want(t, staff.Do("GET", "/v1/audit-log", "", "Portico-Organization", initech), `200 "organization.create" "settings"`)
	apitest.Want(t, staff.Do("GET", "/v1/audit-log/verify", "", "Portico-Organization", initech), `200 "fault":null`)
	apitest.Want(t, staff.Do("DELETE", "/v1/organizations/"+initech, ""), "202 ")
	apitest.Want(t, acme.Do("DELETE", "/v1/organizations/"+acme.Org.String(), ""), "202 ")
	h.Advance(t, 2*time.Minute)
	h.Bootstrap(`{"command":"delete_organization","organization_id":"` + initech + `"}`)
	_, err := org.Erase(context.Background(), h.App, acme.Org)
	testkit.Must(t, err)
	second := h.NewStaff()
	key := second.Do("GET", "/v1/staff/job-kinds", "").Header.Get("Portico-Staff-Key")
	for range 2 {
		h.Bootstrap(`{"command":"revoke_staff_key","staff_key_id":"` + key + `"}`)
	}
	sequence(t, h)
	log := func(query string) apitest.Reply { return staff.Do("GET", "/v1/staff/audit-log?"+query, "") }
	apitest.Want(t, log("category=security&target_id="+initech), `200 "organization.delete" "before":{"name":"Initech"} "organization.create" "after":{"name":"Initech"} "type":"staff_key" "name":"Ada" "source_ip":"192.0.2.1" "request_id":"req-1" !settings`)
	apitest.Want(t, log("action=organization.delete&target_id="+acme.Org.String()), `200 "before":{"name":"Acme"} "type":"api_key" "source_ip":null "user_agent":""`)
	apitest.Want(t, log("action=organization.create&actor_id=bootstrap"), `200 "after":{"name":"Acme"} "type":"system" "name":"create_organization" !key_name !Initech`)
	apitest.Want(t, log("category=security&target_id="+key), `200 "staff_key.create" "staff_key.revoke" "id":"bootstrap" "name":"revoke_staff_key" "name":"create_staff_key" "revoked_at":"`)
	for query, want := range map[string]int{
		"action = 'staff_key.revoke'":                                1, // though it was revoked twice
		"action = 'organization.delete'":                             2,
		"org_id <> '00000000-0000-0000-0000-000000000000'":           0,
		"action = 'staff_key.create' AND user_agent <> ''":           0,
		"action = 'organization.create' AND actor_id = 'bootstrap' ": 1,
	} {
		if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry WHERE `+query); n != want {
			t.Errorf("%d entries with %s, want %d", n, query, want)
		}
	}
	if tables := apitest.RowsWith(t, h, strings.TrimPrefix(second.Key, "ptc_")); len(tables) != 0 {
		t.Errorf("the plain text of a staff key is in %q", tables)
	}
	apitest.Want(t, staff.Do("GET", "/v1/staff/audit-log/verify", ""), `200 "fault":null`)
}

// Trying dead jobs of all organizations again is in the platform's log.
func TestPlatformLogHasRedrives(t *testing.T) {
	t.Parallel()
	staff := apitest.New(t).NewStaff()
	apitest.Want(t, staff.Do("POST", "/v1/staff/job-redrives", `{"filter":{}}`), "201 ")
	apitest.Want(t, staff.Do("GET", "/v1/staff/audit-log?action=job_redrive.create", ""), `200 "job_redrive.create" "type":"staff_key"`)
}
