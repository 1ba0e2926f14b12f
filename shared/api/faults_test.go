package api_test

import (
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
)

// One reply names every fault of a request, those of the schema and those of our
// own rules, each once and with its own field.
func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	own, _ := acme.NewEndpoint(`["*"]`)
	for _, tt := range []struct{ name, method, path, body, want string }{
		{"missing members", "POST", "/v1/webhook-endpoints", `{}`, "body.event_types body.url"},
		{"a member of a member", "POST", "/v1/events/batch", `{"events":[{"type":"a"},{"data":1}]}`, "body.events[0].data body.events[1].type"},
		{"an endpoint", "POST", "/v1/webhook-endpoints", `{"url":"http://example.com","event_types":["a b"],"timeout_seconds":99,"retry_schedule":[1],
			"custom_headers":{"Host":"a","X A":"b"},"metadata":{"a":"\u0000","b":"\u0000"},"filter":"1","client_certificate":{"certificate":"x"},"x":1}`,
			"body.client_certificate.private_key body.custom_headers.Host body.custom_headers.X A body.event_types[0] body.filter body.metadata.a body.metadata.b body.retry_schedule body.timeout_seconds body.url body.x"},
		{"a change of it", "PATCH", "/v1/webhook-endpoints/" + own, `{"held_deliveries":"send","url":"ftp://a","filter":"("}`, "body.filter body.held_deliveries body.url"},
		{"a role", "POST", "/v1/roles", `{"name":"a\nb","description":"\u0000","permissions":["x","events:read","y"],"condition":"?"}`,
			"body.condition body.description body.name body.permissions[0] body.permissions[2]"},
		{"a member", "POST", "/v1/members", `{"email":"x","name":"\u202eeve","role":"king"}`, "body.email body.name body.role"},
		{"an API key", "POST", "/v1/api-keys", `{"permissions":["x"],"expires_at":"2020-01-01T00:00:00Z","allowed_ips":["a","::1","b"]}`,
			"body.allowed_ips[0] body.allowed_ips[2] body.expires_at body.name body.permissions[0]"},
		{"the organization", "PATCH", "/v1/organization", `{"name":"a\u2028b","settings":{"timezone":"x","y":1},"branding":{"primary_color":"red","support_email":"x","display_name":"\t"}}`,
			"body.branding.display_name body.branding.primary_color body.branding.support_email body.name body.settings.timezone body.settings.y"},
		{"events", "POST", "/v1/events/batch", `{"events":[{"type":"a","data":1,"ordering_key":"\u0000"},{"type":"webhook_endpoint.failing","data":1}]}`,
			"body.events[0].ordering_key body.events[1].type"},
		{"a grant", "POST", "/v1/resource-grants", `{"member_id":"x","permission":"events:read","resource_id":"y"}`, "body.member_id body.resource_id"},
		{"the audit log", "GET", "/v1/audit-log?since=1900-01-01T00:00:00Z&until=1900-01-01T00:00:00Z&limit=0", "", "query.limit query.since query.until"},
		{"no object at all", "POST", "/v1/webhook-endpoints", `[]`, "body"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := acme.Do(tt.method, tt.path, tt.body)
			apitest.Want(t, r, "422 invalid_request")
			if got := strings.Join(r.Locations(t), " "); got != tt.want {
				t.Errorf("%s\nfound at %s\nwant     %s", r.Body, got, tt.want)
			}
		})
	}
}

// The repetition of a successful request gets the same reply, even if the request
// has become invalid since, for example because its end is now in the past.
func TestRepetitionIsNotCheckedAgain(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	body := `{"name":"short","permissions":["events:read"],"expires_at":"` + h.Clock.Now().Add(time.Minute).Format(time.RFC3339) + `"}`
	first := acme.Do("POST", "/v1/api-keys", body, "Idempotency-Key", "k1")
	apitest.Want(t, first, "201")
	h.Clock.Advance(time.Hour)
	if again := acme.Do("POST", "/v1/api-keys", body, "Idempotency-Key", "k1"); again.Body != first.Body || again.Status != 201 {
		t.Errorf("%d %s, want %s", again.Status, again.Body, first.Body)
	}
	apitest.Want(t, acme.Do("POST", "/v1/api-keys", body, "Idempotency-Key", "k2"), "422 body.expires_at")
}

// An invalid time is refused with the same words in every place.
func TestTimesAreRefusedAlike(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	for _, r := range []apitest.Reply{
		acme.Do("GET", "/v1/audit-log?since=yesterday", ""),
		acme.Do("POST", "/v1/api-keys", `{"name":"a","permissions":["events:read"],"expires_at":"yesterday"}`),
	} {
		apitest.Want(t, r, "422 invalid_request RFC 3339, such as 2026-11-01T00:00:00Z")
	}
}
