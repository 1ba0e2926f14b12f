package organizations_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

const missingOrg = "org_01890000000000000000000000"

// Staff make, list, read, change and delete organizations. An API key reads,
// changes and deletes its own; another one looks like one that does not exist.
// Only staff can use operations across organizations.
func TestOrganizations(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	own, foreign := "/"+acme.Org.String(), "/"+evil.Org.String()
	reader, nobody, anonymous := acme.With(auth.OrganizationRead), acme.With(auth.EventsRead), apitest.Caller{Harness: h}
	writer := acme.With(auth.OrganizationRead, auth.OrganizationWrite)
	apitest.Want(t, staff.Do("GET", "/v1/organizations"+foreign, ""), `200 "name":"Evil"`) // which its log says
	before := apitest.Checksum(evil)

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"staff make one", "POST", "", `{"name":"Initech"}`, staff, `201 "name":"Initech" "version":1 "id":"org_`},
		{"make without a name", "POST", "", `{}`, staff, `422 name`},
		{"make with an empty name", "POST", "", `{"name":""}`, staff, `422 body.name`},
		{"make with NUL in the name", "POST", "", `{"name":"a\u0000"}`, staff, `422 body.name`},
		{"make with an id of one's own", "POST", "", `{"name":"x","id":"` + missingOrg + `"}`, staff, `422 body.id`},
		{"make with a key of an organization", "POST", "", `{"name":"x"}`, acme, `403 staff_only`},
		{"make without a key", "POST", "", `{"name":"x"}`, anonymous, `401 api_key_missing`},
		{"staff list", "GET", "", "", staff, `200 ` + acme.Org.String() + ` ` + evil.Org.String() + ` Initech "next":null`},
		{"staff list by name", "GET", "?name=aC", "", staff, `200 ` + acme.Org.String() + ` !` + evil.Org.String()},
		{"staff list by a name that none has", "GET", "?name=%25", "", staff, `200 "data":[]`},
		{"staff list with NUL in the name", "GET", "?name=%00", "", staff, `422 query.name`},
		{"staff list with a forged cursor", "GET", "?after=AAAA", "", staff, `422 query.after`},
		{"list with a key of an organization", "GET", "", "", acme, `403 staff_only !Evil`},
		{"list with a key that may do little", "GET", "", "", nobody, `403 staff_only`},
		{"staff read", "GET", own, "", staff, `200 "name":"Acme"`},
		{"staff read missing", "GET", "/" + missingOrg, "", staff, `404 organization_not_found`},
		{"staff read junk", "GET", "/acme", "", staff, `422 path.id org_`},
		{"staff read another noun", "GET", "/we_01890000000000000000000000", "", staff, `422 path.id org_`},
		{"read own", "GET", own, "", reader, `200 "id":"` + acme.Org.String() + `" "name":"Acme"`},
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
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/organizations"+tt.path, tt.body), tt.want)
		})
	}
	a, b := acme.Do("GET", "/v1/organizations"+foreign, ""), acme.Do("GET", "/v1/organizations/"+missingOrg, "")
	if a.Body != b.Body {
		t.Errorf("another's\n%s differs from missing\n%s", a.Body, b.Body)
	}
	if after := apitest.Checksum(evil); after != before {
		t.Errorf("the other organization was\n%s\nand is\n%s", before, after)
	}
}

// The header may repeat the organization in the path, but not name another one.
// It must be left out where no organization can be named.
func TestOrganizationInPathAndHeader(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	own := "/v1/organizations/" + acme.Org.String()
	for _, tt := range []struct {
		name, method, path, header string
		as                         apitest.Caller
		want                       string
	}{
		{"the same", "GET", own, acme.Org.String(), staff, `200 "name":"Acme"`},
		{"the same with its own key", "GET", own, acme.Org.String(), acme, `200 "name":"Acme"`},
		{"another", "GET", own, evil.Org.String(), staff, `404 organization_not_found`},
		{"another with its own key", "GET", own, evil.Org.String(), acme, `404 organization_not_found`},
		{"another, deleting", "DELETE", own, evil.Org.String(), staff, `404 organization_not_found`},
		{"junk", "GET", own, "acme", staff, `422 header.Portico-Organization`},
		{"one, over a list of all", "GET", "/v1/organizations", acme.Org.String(), staff, `422 header.Portico-Organization`},
		{"one, to make another", "POST", "/v1/organizations", acme.Org.String(), staff, `422 header.Portico-Organization`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := ""
			if tt.method == "POST" {
				body = `{"name":"x"}`
			}
			r := tt.as.Do(tt.method, tt.path, body, "Portico-Organization", tt.header)
			apitest.Want(t, r, tt.want)
			if staffs := r.Header.Get("Portico-Staff-Key") != ""; staffs != (tt.as.Key == staff.Key) {
				t.Errorf("headers %v", r.Header)
			}
		})
	}
}

// With an Idempotency-Key a repetition of POST gets the first reply, also when
// both run at once; it always makes only one organization. The same
// Idempotency-Key of another staff key is a different one.
func TestCreateOrganizationOnce(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	ada, bob := h.NewStaff(), h.NewStaff()
	const body = `{"name":"Initech"}`
	made := func() int {
		return testkit.Value[int](t, h.Database, `SELECT count(*) FROM organization WHERE name LIKE 'Init%'`)
	}

	replies := make([]apitest.Reply, 8)
	var all sync.WaitGroup
	for i := range replies {
		all.Go(func() { replies[i] = ada.Do("POST", "/v1/organizations", body, "Idempotency-Key", "k") })
	}
	all.Wait()
	first := ada.Do("POST", "/v1/organizations", body, "Idempotency-Key", "k")
	fresh := 0
	for _, r := range replies {
		switch {
		case r.Status == 409 && strings.Contains(r.Body, "idempotency_key_in_use"):
		case r.Status != 201 || r.Body != first.Body || r.Header.Get("Location") != "/v1/organizations/"+first.Get(t, "id"):
			t.Errorf("%d %v %s, want %s", r.Status, r.Header, r.Body, first.Body)
		case r.Header.Get("Idempotent-Replayed") == "":
			fresh++
		}
	}
	if fresh != 1 || made() != 1 || first.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%d replies were not replays, %d organizations", fresh, made())
	}
	apitest.Want(t, ada.Do("POST", "/v1/organizations", `{"name":"Initrode"}`, "Idempotency-Key", "k"), "409 idempotency_key_reused")
	for _, r := range []apitest.Reply{bob.Do("POST", "/v1/organizations", body, "Idempotency-Key", "k"), ada.Do("POST", "/v1/organizations", body), ada.Do("POST", "/v1/organizations", body)} {
		if r.Status != 201 || r.Get(t, "id") == first.Get(t, "id") {
			t.Errorf("not a new one: %d %s", r.Status, r.Body)
		}
	}
	h.Advance(t, 25*time.Hour)
	apitest.Want(t, ada.Do("POST", "/v1/organizations", body, "Idempotency-Key", "k"), "409 organization_exists")
	if n := made(); n != 4 {
		t.Errorf("%d organizations, want 4", n)
	}
	actor := testkit.Value[string](t, h.Database, `
		SELECT actor_type || ' ' || actor_name || ' ' || action FROM audit_entry JOIN audit_target USING (org_id) WHERE entry_id = id AND target_id = $1`, first.Get(t, "id"))
	if actor != "staff_key Ada organization.create" {
		t.Errorf("the audit log says %s", actor)
	}
}

// An organization that staff made is complete: its first key is made in it, and
// works only in it.
func TestOrganizationThatStaffMade(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	evil, staff := h.Organization("Evil"), h.NewStaff()
	made := staff.Do("POST", "/v1/organizations", `{"name":"Initech"}`, "Idempotency-Key", "k").Get(t, "id")
	key := staff.Do("POST", "/v1/api-keys", `{"name":"first","permissions":["events:write","events:read"]}`, "Portico-Organization", made)
	apitest.Want(t, key, "201 ptc_")
	user := apitest.Caller{Harness: h, Key: key.Get(t, "key")}
	apitest.Want(t, user.Publish(`{"type":"a","data":1}`), "202")
	apitest.Want(t, user.Do("GET", "/v1/events", ""), `200 "type":"a"`)
	apitest.Want(t, evil.Do("GET", "/v1/events", ""), `200 "data":[]`)
	apitest.Want(t, user.Do("GET", "/v1/organizations/"+made, ""), `403 organization:read`)
}

// The list goes from the newest to the oldest, whatever the ids say, over all
// pages. An organization that is made or deleted meanwhile does not move the
// others.
func TestListOrganizations(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	staff := h.NewStaff()
	var want []string
	for i := range 5 {
		h.Advance(t, time.Second)
		r := staff.Do("POST", "/v1/organizations", fmt.Sprintf(`{"name":"Number %d"}`, i), "Idempotency-Key", fmt.Sprint("k", i))
		want = append([]string{r.Get(t, "id")}, want...)
	}
	h.Advance(t, time.Second)
	for _, filter := range []string{"", "&name=" + url.QueryEscape("number ")} {
		var seen []string
		for after := ""; ; {
			var list struct {
				Data []struct{ ID string }
				Next *string
			}
			r := staff.Do("GET", "/v1/organizations?limit=2"+filter+after, "")
			if err := json.Unmarshal([]byte(r.Body), &list); err != nil {
				t.Fatal(err)
			}
			for _, o := range list.Data {
				seen = append(seen, o.ID)
			}
			if list.Next == nil {
				break
			}
			h.Organization("Newer")
			after = "&after=" + *list.Next
		}
		if seen = seen[max(0, len(seen)-5):]; fmt.Sprint(seen) != fmt.Sprint(want) {
			t.Errorf("with %q: listed %v, want %v", filter, seen, want)
		}
	}
}
