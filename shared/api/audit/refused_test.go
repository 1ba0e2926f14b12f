package audit_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// refusals returns the entries about refused attempts of an organization, oldest first:
// action, type of the actor, targets and what after says.
func refusals(t *testing.T, h *apitest.Harness, org any) (list []string) {
	t.Helper()
	return testkit.Value[[]string](t, h.Database, `
		SELECT coalesce(array_agg(action || ' ' || actor_type || ' ' || coalesce((targets -> 0 ->> 'id'), '-') || ' ' || coalesce(after ->> 'code', '') ORDER BY id), '{}')
		FROM audit_entry WHERE org_id = $1 AND outcome = 'failure'`, org)
}

const platform = "00000000-0000-0000-0000-000000000000"

// Each kind of refused attempt has an entry in the log of the organization that the caller
// belongs to, or the platform's, with the actor, what the request named, and its origin.
func TestRefusedAttempts(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	foreign, _ := acme.NewEndpoint(`["a"]`)
	narrow := evil.With(auth.EventsRead)
	org, endpoint, missing := evil.Org.String(), "/v1/webhook-endpoints/"+foreign, "org_01890000000000000000000000"
	for _, tt := range []struct {
		name   string
		as     apitest.Caller
		call   string
		header []string
		reply  string
		log    any
		want   string // action, actor, target, code
	}{
		{"a mutation without permission", narrow, "DELETE " + endpoint, nil, "403 permission_missing", evil.Org, "webhook_endpoint.delete api_key " + foreign + " permission_missing"},
		{"a read without permission", narrow, "GET /v1/members", nil, "403 permission_missing", evil.Org, "member.read api_key " + org + " permission_missing"},
		{"what shows no records, without permission", narrow, "GET /v1/audit-actions", nil, "403 permission_missing", evil.Org, "operation.call api_key " + org + " permission_missing"},
		{"a foreign id", evil, "GET " + endpoint, nil, "404", evil.Org, "webhook_endpoint.read api_key " + foreign + " webhook_endpoint_not_found"},
		{"a change of a foreign id", evil, "PATCH " + endpoint + ` {"description":"body-canary"}`, nil, "404", evil.Org, "webhook_endpoint.update api_key " + foreign + " webhook_endpoint_not_found"},
		{"another organization in the header", evil, "GET /v1/events", []string{"Portico-Organization", acme.Org.String()}, "404 organization_not_found", evil.Org, "event.read api_key " + acme.Org.String() + " organization_not_found"},
		{"another organization in the path", evil, "GET /v1/organizations/" + acme.Org.String(), nil, "404 organization_not_found", evil.Org, "organization.read api_key " + acme.Org.String() + " organization_not_found"},
		{"what only staff may do", evil, "GET /v1/staff/audit-log", nil, "403 staff_only", evil.Org, "audit_log.read api_key " + org + " staff_only"},
		{"staff in an unknown organization", staff, "GET /v1/events", []string{"Portico-Organization", missing}, "404 organization_not_found", platform, "event.read staff_key " + missing + " organization_not_found"},
		{"staff with an unknown id", staff, "GET /v1/events/evt_01890000000000000000000000", []string{"Portico-Organization", org}, "404", evil.Org, "event.read staff_key evt_01890000000000000000000000 event_not_found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(refusals(t, h, tt.log))
			method, rest, _ := strings.Cut(tt.call, " ")
			path, body, _ := strings.Cut(rest, " ")
			apitest.Want(t, tt.as.Do(method, path, body, tt.header...), tt.reply)
			if list := refusals(t, h, tt.log); len(list) != before+1 || list[before] != tt.want {
				t.Errorf("%d entries more, the last ones %q, want %q", len(list)-before, list[before:], tt.want)
			}
		})
	}
	if list := refusals(t, h, acme.Org); len(list) != 0 {
		t.Errorf("the other organization has %q", list)
	}
	log := evil.Do("GET", "/v1/audit-log?outcome=failure&limit=1", "")
	apitest.Want(t, log, `200 "type":"staff_key" "name":"Ada" "outcome":"failure" "request_id":"req-1" "source_ip":"192.0.2.1" "user_agent":"test/ "operation":"getEvent"`)
	if tables := apitest.RowsWith(t, h, "body-canary"); len(tables) != 0 {
		t.Errorf("a refused body is in %q", tables)
	}
}

// A key that does not work has an entry in the log of its organization that says why,
// whether DynamoDB or only Postgres knows it. Its plain text is nowhere. A key that
// nobody has, and what its sender says, leave nothing.
func TestRefusedKeys(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	end := h.Clock.Now().Add(time.Hour).Format(time.RFC3339)
	revoked, revokedID := acme.NewKey(`{"name":"a","permissions":["events:read"]}`)
	expired, expiredID := acme.NewKey(`{"name":"b","permissions":["events:read"],"expires_at":"` + end + `"}`)
	elsewhere, elsewhereID := acme.NewKey(`{"name":"c","permissions":["events:read"],"allowed_ips":["203.0.113.9"]}`)
	staff := h.NewStaff()
	apitest.Want(t, acme.Do("POST", "/v1/api-keys/"+revokedID+"/revoke", ""), "200 ")
	staffID := staff.Do("GET", "/v1/staff/jobs", "").Header.Get("Portico-Staff-Key")
	h.Bootstrap(`{"command":"revoke_staff_key","staff_key_id":"` + staffID + `"}`)
	h.Advance(t, 2*time.Hour)
	for _, as := range []apitest.Caller{revoked, expired, elsewhere, staff, {Harness: h, Key: "ptc_" + strings.Repeat("x", 36)}, {Harness: h}} {
		apitest.Want(t, as.Do("GET", "/v1/events", ""), "401 ")
	}
	want := []string{revokedID + " revoked", expiredID + " expired", elsewhereID + " address"}
	reasons := `SELECT coalesce(array_agg((targets -> 0 ->> 'id') || ' ' || (after ->> 'reason') ORDER BY id), '{}') FROM audit_entry WHERE outcome = 'failure' AND org_id = $1 AND actor_id = targets -> 0 ->> 'id'`
	if got := testkit.Value[[]string](t, h.Database, reasons, acme.Org); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := testkit.Value[[]string](t, h.Database, reasons, platform); fmt.Sprint(got) != "["+staffID+" revoked]" {
		t.Errorf("the platform has %q", got)
	}
	for _, as := range []apitest.Caller{revoked, expired} {
		hash, err := apikey.Parse(as.Key)
		testkit.Must(t, err)
		testkit.Must(t, h.Keys.Remove(t.Context(), hash))
	}
	h.Advance(t, time.Minute)
	apitest.Want(t, revoked.Do("GET", "/v1/events", ""), "401 ")
	apitest.Want(t, expired.Do("GET", "/v1/events", ""), "401 ")
	want = append(want, want[:2]...)
	if got := testkit.Value[[]string](t, h.Database, reasons, acme.Org); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("without DynamoDB: %q, want %q", got, want)
	}
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=api_key.use", ""), `200 "category":"security" "name":"a" "name":"b" "name":"c"`)
	for _, key := range []string{revoked.Key, expired.Key, elsewhere.Key, staff.Key} {
		if tables := apitest.RowsWith(t, h, key[4:]); len(tables) != 0 {
			t.Errorf("the secret of a refused key is in %q", tables)
		}
	}
}

// A thousand refused calls in a minute, of two environments, write ten entries. When the
// minute has ended the sequencer adds one with the number of the others, once.
func TestFloodOfRefusedAttempts(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	narrow := acme.With(auth.EventsRead)
	h.Advance(t, h.Clock.Now().Truncate(time.Minute).Add(time.Minute).Sub(h.Clock.Now()))
	h.StopClock(t) // a minute has begun
	var flood sync.WaitGroup
	other := narrow.Environment(apitest.Never)
	for _, as := range []apitest.Caller{narrow, narrow, other, other} {
		flood.Go(func() {
			for range 250 {
				if status := as.Quietly("/v1/members"); status != http.StatusForbidden {
					t.Errorf("answered %d", status)
				}
			}
		})
	}
	flood.Wait()
	sequence(t, h)
	if n := len(refusals(t, h, acme.Org)); n != 10 {
		t.Fatalf("%d entries within the minute", n)
	}
	h.Advance(t, 2*time.Minute)
	sequence(t, h)
	sequence(t, h)
	var log struct {
		Data []struct {
			Action  string
			Actor   struct{ ID, Name string }
			Targets []struct{ Type, ID string }
			After   map[string]any
		}
	}
	acme.Do("GET", "/v1/audit-log?action=refusal.count", "").Decode(t, &log)
	if len(log.Data) != 1 || log.Data[0].After["attempts"] != 990.0 || log.Data[0].Actor.Name != "narrow" || log.Data[0].Targets[0].ID != log.Data[0].Actor.ID {
		t.Errorf("%+v", log.Data)
	}
	if n := len(refusals(t, h, acme.Org)); n != 11 {
		t.Errorf("%d entries after the minute", n)
	}
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify", ""), `200 "fault":null`)
}
