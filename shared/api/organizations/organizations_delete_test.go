package api_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/auth"
	"portico/shared/testkit"
)

// A deleted organization looks like one that does not exist, to staff at once
// and to its keys within ten seconds, wherever they were cached; its endpoints
// are out of use and its domains free. Repeating is a 404. Another organization
// keeps all.
func TestDeleteOrganization(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil, staff := h.org("Acme"), h.org("Evil"), h.newStaff()
	own := "/v1/organizations/" + acme.org.String()
	acme.newEndpoint(`["*"]`)
	evil.newEndpoint(`["*"]`)
	const subdomain = `{"name":"name.portico.example"}`
	want(t, acme.do("POST", "/v1/domains", subdomain), "201 verified")
	other := acme.with(auth.EventsRead, auth.OrganizationRead)
	there := other.environment(never)
	there.works("there, before", true)
	before := checksum(evil)

	r := acme.do("DELETE", own, "", "Idempotency-Key", "k")
	want(t, r, `202 "id":"`+acme.org.String()+`" "deleted_at":"`)
	for name, c := range map[string]caller{"its own": acme, "another of its keys": other} {
		c.works(name+", at once, where it was deleted", false)
	}
	want(t, staff.do("GET", own, ""), "404 organization_not_found")
	want(t, staff.do("GET", "/v1/events", "", "Portico-Organization", acme.org.String()), "404 organization_not_found")
	want(t, staff.do("DELETE", own, ""), "404 organization_not_found")
	want(t, staff.do("DELETE", own, "", "Idempotency-Key", "k"), "404 organization_not_found")
	want(t, staff.do("GET", "/v1/organizations", ""), `200 Evil !Acme`)
	want(t, acme.do("DELETE", own, "", "Idempotency-Key", "k"), "401 api_key_invalid")
	h.Advance(t, 5*time.Second)
	there.works("there, after five seconds", false)
	there.environment(never).works("in a fresh environment", false)

	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM webhook_endpoint WHERE org_id = $1 AND deleted_at IS NULL`, acme.org); n != 0 {
		t.Errorf("%d endpoints are in use", n)
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM domain WHERE org_id = $1`, acme.org); n != 0 {
		t.Errorf("%d domains are kept", n)
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM api_key WHERE org_id = $1 AND revoked_at IS NULL`, acme.org); n != 0 {
		t.Errorf("%d keys are not revoked", n)
	}
	if after := checksum(evil); after != before {
		t.Errorf("the other organization was\n%s\nand is\n%s", before, after)
	}
	evil.works("the other organization's key", true)
	want(t, evil.do("POST", "/v1/domains", subdomain), "201 verified")
}

// Two who delete at once, both let in while it was open: one does it, the other
// finds nothing, and the audit log has it once.
func TestDeleteOrganizationTogether(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, staff := h.org("Acme"), h.newStaff()
	holder, err := pgx.ConnectConfig(t.Context(), h.Admin.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(t.Context())
	if _, err := holder.Exec(t.Context(), `BEGIN; SELECT FROM organization FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	replies := make([]reply, 2)
	for i := range replies {
		all.Go(func() { replies[i] = staff.do("DELETE", "/v1/organizations/"+acme.org.String(), "") })
	}
	testkit.Await(t, "both to wait for the organization", func() bool {
		return testkit.Value[int](t, h.Database, `
			SELECT count(*) FROM pg_locks l JOIN pg_stat_activity s USING (pid) WHERE NOT granted AND s.datname = current_database()`) == 2
	})
	if _, err := holder.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if replies[0].status > replies[1].status {
		replies[0], replies[1] = replies[1], replies[0]
	}
	want(t, replies[0], "202 "+acme.org.String())
	want(t, replies[1], "404 organization_not_found")
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry WHERE action = 'organization.delete'`); n != 1 {
		t.Errorf("%d audit entries", n)
	}
}

// While DynamoDB is away nothing is deleted, and afterwards it can be.
func TestDeleteOrganizationFails(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, staff := h.org("Acme"), h.newStaff()
	staff.do("GET", "/v1/organizations", "") // is known where it is cached
	away := true
	broken := staff.environment(func(body string) bool { return away && strings.Contains(body, "revoked_at = if_not_exists") })
	own := "/v1/organizations/" + acme.org.String()
	want(t, broken.do("DELETE", own, ""), "503 unavailable")
	want(t, staff.do("GET", own, ""), `200 "name":"Acme"`)
	acme.works("its key", true)
	away = false
	want(t, broken.do("DELETE", own, ""), "202")
	want(t, staff.do("GET", own, ""), `404`)
}

// A key that is made while its organization is being deleted does not work: it
// is projected under a lock that the deletion waits for, or not at all.
func TestKeyMadeWhileOrganizationIsDeleted(t *testing.T) {
	t.Parallel()
	for range 5 {
		h := newHarness(t)
		acme, staff := h.org("Acme"), h.newStaff()
		want(t, staff.do("GET", "/v1/api-keys", "", "Portico-Organization", acme.org.String()), "200")
		var all sync.WaitGroup
		keys := make([]reply, 6)
		for i := range keys {
			all.Go(func() {
				keys[i] = staff.do("POST", "/v1/api-keys", `{"name":"late","permissions":["events:read"]}`, "Portico-Organization", acme.org.String())
			})
		}
		var deleted reply
		all.Go(func() { deleted = staff.do("DELETE", "/v1/organizations/"+acme.org.String(), "") })
		all.Wait()
		want(t, deleted, "202")
		h.Advance(t, 5*time.Second)
		for _, r := range keys {
			if r.status == 201 {
				caller{harness: h, key: r.get(t, "key")}.works("a key made meanwhile", false)
			} else if r.status != 404 {
				t.Errorf("answered %d %s", r.status, r.body)
			}
		}
	}
}
