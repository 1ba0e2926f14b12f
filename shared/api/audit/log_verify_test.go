package audit_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/audit/anchor"
	"portico/shared/audit/chain"
	"portico/shared/auth"
	"portico/shared/claim"
	"portico/shared/observe"
	"portico/shared/testkit"
)

// sequence chains all entries that wait.
func sequence(t *testing.T, h *apitest.Harness) {
	t.Helper()
	s := &chain.Sequencer{Dispatcher: claim.Dispatcher{DB: h.Worker, Log: observe.NewLog(io.Discard, "test")}}
	for {
		passes, err := s.Claim(context.Background(), nil)
		testkit.Must(t, err)
		if len(passes) == 0 {
			return
		}
		s.Do(context.Background(), passes[0])
	}
}

// A reply says whether the chain has the last archived entry, and if DynamoDB does not
// answer, that it was not compared.
func TestVerifyArchive(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	sequence(t, h)
	log, zeros := anchor.Log{Org: acme.Org}, strings.Repeat("0", 64)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify", ""), `200 "archive":{"status":"matches","number":0,"hash":"`+zeros+`"} "fault":null`)
	apitest.Want(t, staff.Do("GET", "/v1/staff/audit-log/verify", ""), `200 "archive":{"status":"matches","number":0`)
	_, err := h.Server.Anchors.Advance(context.Background(), log, chain.Head{}, chain.Head{Number: 1})
	testkit.Must(t, err)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify", ""), `200 "archive":{"status":"differs","number":1,"hash":"`+zeros+`"} "fault":{"kind":"replaced","number":1`)
	_, err = h.Server.Anchors.Advance(context.Background(), log, chain.Head{Number: 1}, chain.Head{Number: 900})
	testkit.Must(t, err)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify?from=1&to=1", ""), `200 "status":"differs","number":900 "kind":"cut","number":2 "next":null`)
	h.Server.Anchors = anchor.NewTable(testkit.DynamoDBThrough(t, testkit.DynamoDBEndpoint(t), func(string, string) bool { return true }), "away")
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify", ""), `200 "archive":{"status":"unavailable","number":null,"hash":null} "verified":1 "fault":null`)
}

// An organization verifies its own chain, staff that of the platform. Wrong numbers are
// refused with the name of the field, and the first fault is shown.
func TestVerify(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	empty := strings.Repeat("0", 64)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify", ""), `200 "number":0 "hash":"`+empty+`" "verified":0 "next":null "fault":null`)
	for range 3 {
		acme.NewEndpoint(`["a"]`)
	}
	evil.NewEndpoint(`["a"]`)
	apitest.Want(t, staff.Do("POST", "/v1/staff/job-kinds/test.hidden/pause", `{"reason":"a fault"}`), "200 ")
	sequence(t, h)
	entries := testkit.Value[int](t, h.Database, `SELECT number FROM audit_head WHERE org_id = $1`, acme.Org)
	if entries < 4 {
		t.Fatalf("%d entries", entries)
	}
	for _, tt := range []struct {
		name, query string
		as          apitest.Caller
		want        string
	}{
		{"all", "", acme, `200 "from":1 "verified":4 "erased":0 "next":null "fault":null !"number":4,"hash":"` + empty},
		{"a range", "?from=2&to=3", acme, `200 "from":2 "to":3 "verified":2 "next":null "fault":null "number":4`},
		{"another organization's", "", evil, `200 "verified":2 "fault":null`},
		{"from 0", "?from=0", acme, `422 query.from`},
		{"from a negative number", "?from=-1", acme, `422 query.from`},
		{"to 0", "?to=0", acme, `422 query.to`},
		{"from a word", "?from=x", acme, `422 query.from`},
		{"the wrong way", "?from=3&to=2", acme, `422 query.from`},
		{"from after the end", "?from=5", acme, `422 query.from`},
		{"to after the end", "?to=9223372036854775807", acme, `422 query.to`},
		{"to a huge number", "?to=9223372036854775808", acme, `422 query.to`},
		{"from a huge number", "?from=9223372036854775807", acme, `422 query.from`},
		{"without the permission", "", acme.With(auth.EventsRead), `403 `},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("GET", "/v1/audit-log/verify"+tt.query, ""), tt.want) })
	}
	apitest.Want(t, staff.Do("GET", "/v1/staff/audit-log/verify", ""), `200 "verified":4 "fault":null`)
	apitest.Want(t, acme.Do("GET", "/v1/staff/audit-log/verify", ""), `403 staff_only`)
	h.Exec(`ALTER TABLE audit_entry DISABLE TRIGGER USER`)
	h.Exec(`UPDATE audit_entry e SET actor_id = 'forged' FROM audit_chain c WHERE c.entry_id = e.id AND c.org_id = $1 AND c.number = 2`, acme.Org)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify", ""), `200 "verified":1 "next":null "kind":"edited" "number":2 "entry_id":"aud_`)
	apitest.Want(t, evil.Do("GET", "/v1/audit-log/verify", ""), `200 "fault":null`)
}

// A long chain is verified in parts.
func TestVerifyInParts(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	h.Exec(`
		INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, request_id, user_agent, created_at)
		SELECT $1, overlay(gen_random_uuid()::text PLACING left(uuid_floor(portico_now())::text, 13) FROM 1)::uuid, 'a.b', 'system', 'test', '[]', '', '', portico_now()
		FROM generate_series(1, 1500)`, acme.Org)
	sequence(t, h)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify", ""), `200 "to":1000 "verified":1000 "next":1001 "fault":null`)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify?from=1001", ""), `200 "from":1001 "next":null "fault":null`)
}
