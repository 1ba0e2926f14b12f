package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/auth"
	"portico/shared/testkit"
)

const missingOrg = "org_01890000000000000000000000"

// Staff make, list, read, change and delete organizations. An API key reads,
// changes and deletes its own; any other one looks like one that does not exist,
// and what looks across organizations is staff's alone.
func TestOrganizations(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil, staff := h.org("Acme"), h.org("Evil"), h.newStaff()
	own, foreign := "/"+acme.org.String(), "/"+evil.org.String()
	reader, nobody, anonymous := acme.with(auth.OrganizationRead), acme.with(auth.EventsRead), caller{harness: h}
	writer := acme.with(auth.OrganizationRead, auth.OrganizationWrite)
	before := checksum(evil)

	for _, tt := range []struct {
		name, method, path, body string
		as                       caller
		want                     string
	}{
		{"staff make one", "POST", "", `{"name":"Initech"}`, staff, `201 "name":"Initech" "version":1 "id":"org_`},
		{"make without a name", "POST", "", `{}`, staff, `422 name`},
		{"make with an empty name", "POST", "", `{"name":""}`, staff, `422 body.name`},
		{"make with NUL in the name", "POST", "", `{"name":"a\u0000"}`, staff, `422 body.name`},
		{"make with an id of one's own", "POST", "", `{"name":"x","id":"` + missingOrg + `"}`, staff, `422 body.id`},
		{"make with a key of an organization", "POST", "", `{"name":"x"}`, acme, `403 staff_only`},
		{"make without a key", "POST", "", `{"name":"x"}`, anonymous, `401 api_key_missing`},
		{"staff list", "GET", "", "", staff, `200 ` + acme.org.String() + ` ` + evil.org.String() + ` Initech "next":null`},
		{"staff list by name", "GET", "?name=aC", "", staff, `200 ` + acme.org.String() + ` !` + evil.org.String()},
		{"staff list by a name that none has", "GET", "?name=%25", "", staff, `200 "data":[]`},
		{"staff list with NUL in the name", "GET", "?name=%00", "", staff, `422 query.name`},
		{"staff list with a forged cursor", "GET", "?after=AAAA", "", staff, `422 query.after`},
		{"list with a key of an organization", "GET", "", "", acme, `403 staff_only !Evil`},
		{"list with a key that may do little", "GET", "", "", nobody, `403 staff_only`},
		{"staff read", "GET", foreign, "", staff, `200 "name":"Evil"`},
		{"staff read missing", "GET", "/" + missingOrg, "", staff, `404 organization_not_found`},
		{"staff read junk", "GET", "/acme", "", staff, `422 path.id org_`},
		{"staff read another noun", "GET", "/we_01890000000000000000000000", "", staff, `422 path.id org_`},
		{"read own", "GET", own, "", reader, `200 "id":"` + acme.org.String() + `" "name":"Acme"`},
		{"read another", "GET", foreign, "", reader, `404 organization_not_found`},
		{"read missing", "GET", "/" + missingOrg, "", reader, `404 organization_not_found`},
		{"read without permission", "GET", own, "", nobody, `403 organization:read`},
		{"change own", "PATCH", own, `{"version":1,"name":"Acme Corp"}`, writer, `200 Corp "version":2`},
		{"change own with the old version", "PATCH", own, `{"version":1,"name":"Mine"}`, writer, `409 version_mismatch`},
		{"change own badly", "PATCH", own, `{"settings":{"timezone":"Mars"}}`, writer, `422 body.settings.timezone`},
		{"change another", "PATCH", foreign, `{"name":"Mine"}`, writer, `404 organization_not_found`},
		{"change without permission", "PATCH", own, `{"name":"Mine"}`, reader, `403 organization:write`},
		{"staff change", "PATCH", own, `{"branding":{"display_name":"ACME"}}`, staff, `200 "display_name":"ACME" "version":3`},
		{"staff change missing", "PATCH", "/" + missingOrg, `{"name":"x"}`, staff, `404 organization_not_found`},
		{"delete without permission", "DELETE", own, "", writer, `403 organization:delete`},
		{"delete another", "DELETE", foreign, "", acme, `404 organization_not_found`},
		{"delete missing", "DELETE", "/" + missingOrg, "", staff, `404 organization_not_found`},
		{"delete junk", "DELETE", "/acme", "", staff, `422 path.id`},
	} {
		t.Run(tt.name, func(t *testing.T) { want(t, tt.as.do(tt.method, "/v1/organizations"+tt.path, tt.body), tt.want) })
	}
	a, b := acme.do("GET", "/v1/organizations"+foreign, ""), acme.do("GET", "/v1/organizations/"+missingOrg, "")
	if a.body != b.body {
		t.Errorf("another's\n%s differs from missing\n%s", a.body, b.body)
	}
	if after := checksum(evil); after != before {
		t.Errorf("the other organization was\n%s\nand is\n%s", before, after)
	}
}

// The header may repeat the organization in the path, and no other; where there
// is none to name, it must be left out.
func TestOrganizationInPathAndHeader(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil, staff := h.org("Acme"), h.org("Evil"), h.newStaff()
	own := "/v1/organizations/" + acme.org.String()
	for _, tt := range []struct {
		name, method, path, header string
		as                         caller
		want                       string
	}{
		{"the same", "GET", own, acme.org.String(), staff, `200 "name":"Acme"`},
		{"the same with its own key", "GET", own, acme.org.String(), acme, `200 "name":"Acme"`},
		{"another", "GET", own, evil.org.String(), staff, `404 organization_not_found`},
		{"another with its own key", "GET", own, evil.org.String(), acme, `404 organization_not_found`},
		{"another, deleting", "DELETE", own, evil.org.String(), staff, `404 organization_not_found`},
		{"junk", "GET", own, "acme", staff, `422 header.Portico-Organization`},
		{"one, over a list of all", "GET", "/v1/organizations", acme.org.String(), staff, `422 header.Portico-Organization`},
		{"one, to make another", "POST", "/v1/organizations", acme.org.String(), staff, `422 header.Portico-Organization`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := ""
			if tt.method == "POST" {
				body = `{"name":"x"}`
			}
			r := tt.as.do(tt.method, tt.path, body, "Portico-Organization", tt.header)
			want(t, r, tt.want)
			if staffs := r.header.Get("Portico-Staff-Key") != ""; staffs != (tt.as.key == staff.key) {
				t.Errorf("headers %v", r.header)
			}
		})
	}
}

// With an Idempotency-Key a repetition of POST gets the first reply, also when
// both run at once; whatever happens, one organization comes of it. Another
// staff key's same Idempotency-Key is another one.
func TestCreateOrganizationOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ada, bob := h.newStaff(), h.newStaff()
	const body = `{"name":"Initech"}`
	made := func() int {
		return testkit.Value[int](t, h.Database, `SELECT count(*) FROM organization WHERE name LIKE 'Init%'`)
	}

	replies := make([]reply, 8)
	var all sync.WaitGroup
	for i := range replies {
		all.Go(func() { replies[i] = ada.do("POST", "/v1/organizations", body, "Idempotency-Key", "k") })
	}
	all.Wait()
	first := ada.do("POST", "/v1/organizations", body, "Idempotency-Key", "k")
	fresh := 0
	for _, r := range replies {
		switch {
		case r.status == 409 && strings.Contains(r.body, "idempotency_key_in_use"):
		case r.status != 201 || r.body != first.body || r.header.Get("Location") != "/v1/organizations/"+first.get(t, "id"):
			t.Errorf("%d %v %s, want %s", r.status, r.header, r.body, first.body)
		case r.header.Get("Idempotent-Replayed") == "":
			fresh++
		}
	}
	if fresh != 1 || made() != 1 || first.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%d replies were no replays, %d organizations", fresh, made())
	}
	want(t, ada.do("POST", "/v1/organizations", `{"name":"Initrode"}`, "Idempotency-Key", "k"), "409 idempotency_key_reused")
	for _, r := range []reply{bob.do("POST", "/v1/organizations", body, "Idempotency-Key", "k"), ada.do("POST", "/v1/organizations", body), ada.do("POST", "/v1/organizations", body)} {
		if r.status != 201 || r.get(t, "id") == first.get(t, "id") {
			t.Errorf("not a new one: %d %s", r.status, r.body)
		}
	}
	h.Advance(t, 25*time.Hour)
	want(t, ada.do("POST", "/v1/organizations", body, "Idempotency-Key", "k"), "409 organization_exists")
	if n := made(); n != 4 {
		t.Errorf("%d organizations, want 4", n)
	}
	actor := testkit.Value[string](t, h.Database, `
		SELECT actor_type || ' ' || actor_name || ' ' || action FROM audit_entry JOIN audit_target USING (org_id) WHERE entry_id = id AND target_id = $1`, first.get(t, "id"))
	if actor != "staff_key Ada organization.create" {
		t.Errorf("the audit log says %s", actor)
	}
}

// An organization that staff made is a whole one: its first key is made in it,
// and works in it and nowhere else.
func TestOrganizationThatStaffMade(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	evil, staff := h.org("Evil"), h.newStaff()
	made := staff.do("POST", "/v1/organizations", `{"name":"Initech"}`, "Idempotency-Key", "k").get(t, "id")
	key := staff.do("POST", "/v1/api-keys", `{"name":"first","permissions":["events:write","events:read"]}`, "Portico-Organization", made)
	want(t, key, "201 ptc_")
	user := caller{harness: h, key: key.get(t, "key")}
	want(t, user.publish(`{"type":"a","data":1}`), "202")
	want(t, user.do("GET", "/v1/events", ""), `200 "type":"a"`)
	want(t, evil.do("GET", "/v1/events", ""), `200 "data":[]`)
	want(t, user.do("GET", "/v1/organizations/"+made, ""), `403 organization:read`)
}

// The list goes from the newest to the oldest, whatever their ids say, over
// page after page; one that is made or deleted meanwhile moves no other.
func TestListOrganizations(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	staff := h.newStaff()
	var want []string
	for i := range 5 {
		h.Advance(t, time.Second)
		r := staff.do("POST", "/v1/organizations", fmt.Sprintf(`{"name":"Number %d"}`, i), "Idempotency-Key", fmt.Sprint("k", i))
		want = append([]string{r.get(t, "id")}, want...)
	}
	h.Advance(t, time.Second)
	for _, filter := range []string{"", "&name=" + url.QueryEscape("number ")} {
		var seen []string
		for after := ""; ; {
			var list struct {
				Data []struct{ ID string }
				Next *string
			}
			r := staff.do("GET", "/v1/organizations?limit=2"+filter+after, "")
			if err := json.Unmarshal([]byte(r.body), &list); err != nil {
				t.Fatal(err)
			}
			for _, o := range list.Data {
				seen = append(seen, o.ID)
			}
			if list.Next == nil {
				break
			}
			h.org("Newer")
			after = "&after=" + *list.Next
		}
		if seen = seen[max(0, len(seen)-5):]; fmt.Sprint(seen) != fmt.Sprint(want) {
			t.Errorf("with %q: listed %v, want %v", filter, seen, want)
		}
	}
}
