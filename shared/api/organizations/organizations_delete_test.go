package organizations_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// A deleted organization looks like one that does not exist: to staff at once, to
// its keys within ten seconds, wherever they were cached. Its endpoints are no
// longer used and its domains are free. A second deletion is a 404. Another
// organization keeps everything.
func TestDeleteOrganization(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	own := "/v1/organizations/" + acme.Org.String()
	acme.NewEndpoint(`["*"]`)
	evil.NewEndpoint(`["*"]`)
	const subdomain = `{"name":"name.portico.example"}`
	apitest.Want(t, acme.Do("POST", "/v1/domains", subdomain), "201 verified")
	other := acme.With(auth.EventsRead, auth.OrganizationRead)
	there := other.Environment(apitest.Never)
	there.Works("there, before", true)
	before := apitest.Checksum(evil)

	r := acme.Do("DELETE", own, "", "Idempotency-Key", "k")
	apitest.Want(t, r, `202 "id":"`+acme.Org.String()+`" "deleted_at":"`)
	for name, c := range map[string]apitest.Caller{"its own": acme, "another of its keys": other} {
		c.Works(name+", at once, where it was deleted", false)
	}
	apitest.Want(t, staff.Do("GET", own, ""), "404 organization_not_found")
	apitest.Want(t, staff.Do("GET", "/v1/events", "", "Portico-Organization", acme.Org.String()), "404 organization_not_found")
	apitest.Want(t, staff.Do("DELETE", own, ""), "404 organization_not_found")
	apitest.Want(t, staff.Do("DELETE", own, "", "Idempotency-Key", "k"), "404 organization_not_found")
	apitest.Want(t, staff.Do("GET", "/v1/organizations", ""), `200 Evil !Acme`)
	apitest.Want(t, acme.Do("DELETE", own, "", "Idempotency-Key", "k"), "401 api_key_invalid")
	h.Advance(t, 5*time.Second)
	there.Works("there, after five seconds", false)
	there.Environment(apitest.Never).Works("in a fresh environment", false)

	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM webhook_endpoint WHERE org_id = $1 AND deleted_at IS NULL`, acme.Org); n != 0 {
		t.Errorf("%d endpoints are in use", n)
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM domain WHERE org_id = $1`, acme.Org); n != 0 {
		t.Errorf("%d domains are kept", n)
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM api_key WHERE org_id = $1 AND revoked_at IS NULL`, acme.Org); n != 0 {
		t.Errorf("%d keys are not revoked", n)
	}
	if after := apitest.Checksum(evil); after != before {
		t.Errorf("the other organization was\n%s\nand is\n%s", before, after)
	}
	evil.Works("the other organization's key", true)
	apitest.Want(t, evil.Do("POST", "/v1/domains", subdomain), "201 verified")
}

// If two delete an organization at once, and both were admitted while it was
// open, one deletes it and the other finds nothing. Its audit log and the platform's
// show it once.
func TestDeleteOrganizationTogether(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	holder := testkit.Session(t, h.Admin.Config())
	testkit.Exec(t, holder, `BEGIN; SELECT FROM organization FOR UPDATE`)
	var all sync.WaitGroup
	replies := make([]apitest.Reply, 2)
	for i := range replies {
		all.Go(func() { replies[i] = staff.Do("DELETE", "/v1/organizations/"+acme.Org.String(), "") })
	}
	testkit.Await(t, "both to wait for the organization", func() bool {
		return testkit.Value[int](t, h.Database, `
			SELECT count(*) FROM pg_locks l JOIN pg_stat_activity s USING (pid) WHERE NOT granted AND s.datname = current_database()`) == 2
	})
	testkit.Exec(t, holder, `ROLLBACK`)
	all.Wait()
	if replies[0].Status > replies[1].Status {
		replies[0], replies[1] = replies[1], replies[0]
	}
	apitest.Want(t, replies[0], "202 "+acme.Org.String())
	apitest.Want(t, replies[1], "404 organization_not_found")
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry WHERE action = 'organization.delete' AND outcome = 'success'`); n != 2 {
		t.Errorf("%d audit entries", n)
	}
}

// While DynamoDB does not answer, nothing is deleted; afterwards it can be.
func TestDeleteOrganizationFails(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	staff.Do("GET", "/v1/organizations", "") // is known where it is cached
	away := true
	broken := staff.Environment(func(_, body string) bool { return away && strings.Contains(body, "revoked_at = if_not_exists") })
	own := "/v1/organizations/" + acme.Org.String()
	apitest.Want(t, broken.Do("DELETE", own, ""), "503 unavailable")
	apitest.Want(t, staff.Do("GET", own, ""), `200 "name":"Acme"`)
	acme.Works("its key", true)
	away = false
	apitest.Want(t, broken.Do("DELETE", own, ""), "202")
	apitest.Want(t, staff.Do("GET", own, ""), `404`)
}

// A key that is made while its organization is being deleted does not work: it is
// written to DynamoDB under a lock that the deletion waits for, or not at all.
func TestKeyMadeWhileOrganizationIsDeleted(t *testing.T) {
	t.Parallel()
	for range 5 {
		h := apitest.New(t)
		acme, staff := h.Organization("Acme"), h.NewStaff()
		apitest.Want(t, staff.Do("GET", "/v1/api-keys", "", "Portico-Organization", acme.Org.String()), "200")
		var all sync.WaitGroup
		keys := make([]apitest.Reply, 6)
		for i := range keys {
			all.Go(func() {
				keys[i] = staff.Do("POST", "/v1/api-keys", `{"name":"late","permissions":["events:read"]}`, "Portico-Organization", acme.Org.String())
			})
		}
		var deleted apitest.Reply
		all.Go(func() { deleted = staff.Do("DELETE", "/v1/organizations/"+acme.Org.String(), "") })
		all.Wait()
		apitest.Want(t, deleted, "202")
		h.Advance(t, 5*time.Second)
		for _, r := range keys {
			if r.Status == 201 {
				apitest.Caller{Harness: h, Key: r.Get(t, "key")}.Works("a key made meanwhile", false)
			} else if r.Status != 404 {
				t.Errorf("answered %d %s", r.Status, r.Body)
			}
		}
	}
}
