package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// accesses returns the entries about reads of an organization, oldest first: action,
// operation, the actor's type and the target.
func accesses(t *testing.T, h *apitest.Harness, org any) []string {
	t.Helper()
	return testkit.Value[[]string](t, h.Database, `
		SELECT coalesce(array_agg(concat_ws(' ', action, after ->> 'operation', actor_type, targets -> 0 ->> 'id') ORDER BY id), '{}')
		FROM audit_entry WHERE org_id = $1 AND category = 'access' AND outcome = 'success'`, org)
}

// An organization that wants it has its reads of records recorded, in every environment
// after ten seconds, and no longer when it does not want it any more. By default a read
// leaves nothing, and neither does what shows no records or finds nothing.
func TestRecordedReads(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	other := acme.Environment(apitest.Never)
	endpoint, _ := acme.NewEndpoint(`["a"]`)
	acme.Make("/v1/event-consumers", `{"name":"warehouse","event_types":["*"]}`)
	org := acme.Org.String()
	var want []string
	step := func(when string, as apitest.Caller, path, reply string, entries ...string) {
		t.Helper()
		apitest.Want(t, as.Do("GET", path, ""), reply)
		want = append(want, entries...)
		if got := accesses(t, h, acme.Org); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
			want = got
		}
	}
	events := "event.read listEvents api_key " + org
	step("by default", acme, "/v1/events", "200 ")
	step("by default, in another environment", other, "/v1/events", "200 ")
	apitest.Want(t, acme.Do("PATCH", "/v1/organization", `{"settings":{"record_reads":true}}`), `200 "record_reads":true`)
	h.Advance(t, 10*time.Second)
	step("when it is on", acme, "/v1/events", "200 ", events)
	step("in another environment", other, "/v1/events", "200 ", events)
	step("of one thing", acme, "/v1/webhook-endpoints/"+endpoint, "200 ", "webhook_endpoint.read getWebhookEndpoint api_key "+endpoint)
	step("of the event stream", acme, "/v1/event-stream?consumer=warehouse", "200 ", "event_stream.read readEventStream api_key "+org)
	step("without records", acme, "/v1/permissions", "200 ")
	step("of nothing", acme, "/v1/events/evt_01890000000000000000000000", "404 ")
	step("of another organization", evil, "/v1/events", "200 ")
	apitest.Want(t, acme.Do("PATCH", "/v1/organization", `{"settings":{"record_reads":null}}`), `200 "record_reads":false`)
	h.Advance(t, 10*time.Second)
	step("when it is off", acme, "/v1/events", "200 ")
	step("when it is off, in another environment", other, "/v1/events", "200 ")
	if got := accesses(t, h, evil.Org); len(got) != 0 {
		t.Errorf("another organization has %q", got)
	}
}

// What staff read of an organization is always in its log, and what they read across
// organizations in the platform's. Without the entry nothing is shown.
func TestReadsOfStaff(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	org := acme.Org.String()
	apitest.Want(t, staff.Do("GET", "/v1/events", "", "Portico-Organization", org), "200 ")
	apitest.Want(t, staff.Do("GET", "/v1/organizations/"+org, ""), "200 ")
	apitest.Want(t, staff.Do("GET", "/v1/organizations", ""), "200 Acme")
	apitest.Want(t, staff.Do("GET", "/v1/staff/job-kinds", ""), "200 ")
	want := []string{"event.read listEvents staff_key " + org, "organization.read getNamedOrganization staff_key " + org}
	if got := accesses(t, h, acme.Org); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := accesses(t, h, platform); fmt.Sprint(got) != "[organization.read listOrganizations staff_key]" {
		t.Errorf("the platform has %q", got)
	}
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?category=access", ""), `200 "type":"staff_key" "name":"Ada" "source_ip":"192.0.2.1" "operation":"listEvents"`)
	h.Exec(`ALTER TABLE audit_entry ADD CHECK (action <> 'event.read') NOT VALID`)
	if r := staff.Do("GET", "/v1/events", "", "Portico-Organization", org); r.Status != 500 || strings.Contains(r.Body, `"data"`) {
		t.Errorf("without its entry the read answered %d %s", r.Status, r.Body)
	}
}

// Reading the log leaves an entry, which no page of that reading shows: over all pages
// each entry is there once, although every page adds one.
func TestReadsOfTheLog(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	for range 4 {
		acme.NewEndpoint(`["a"]`)
	}
	var shown []string
	pages, after := 0, ""
	for pages = 1; ; pages++ {
		r := acme.Do("GET", "/v1/audit-log?limit=2"+after, "")
		var list struct{ Data []struct{ ID, Action string } }
		r.Decode(t, &list)
		for _, e := range list.Data {
			if shown = append(shown, e.ID); e.Action == "audit_log.read" {
				t.Errorf("page %d shows its own reading", pages)
			}
		}
		if r.Get(t, "next") == "null" {
			break
		}
		after = "&after=" + r.Get(t, "next")
	}
	slices.Sort(shown)
	if len(slices.Compact(shown)) != 5 || pages != 3 {
		t.Errorf("%d entries in %d pages", len(shown), pages)
	}
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=audit_log.read", ""), `200 "category":"access" "operation":"listAuditLog" "id":"`+acme.Org.String()+`"`)
	if got := accesses(t, h, acme.Org); len(got) != pages+1 {
		t.Errorf("%d readings are recorded, want %d", len(got), pages+1)
	}
}

// Reading an export with a link to its file is always recorded, because the link shows
// the log; reading how far it is, or a list, is not.
func TestReadsOfExports(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	made := acme.Make("/v1/audit-exports", `{"format":"csv"}`)
	step := func(path, reply string, want ...string) {
		t.Helper()
		apitest.Want(t, acme.Do("GET", "/v1/audit-exports"+path, ""), reply)
		if got := accesses(t, h, acme.Org); !slices.Equal(got, want) {
			t.Errorf("after %s: %q, want %q", path, got, want)
		}
	}
	step("/"+made, `200 "status":"running" "url":null`)
	sequence(t, h)
	runJobs(t, h)
	entry := "audit_export.read getAuditExport api_key " + made
	step("", `200 "status":"succeeded" "url":null`)
	step("/"+made, `200 !"url":null`, entry)
	step("/"+made, `200 !"url":null`, entry, entry)
	h.Advance(t, 49*time.Hour)
	step("/"+made, `200 "url":null`, entry, entry)
}
