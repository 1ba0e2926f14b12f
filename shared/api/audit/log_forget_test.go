package audit_test

import (
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// An owner erases who an actor was. The entries stay and verify, what comes later has its
// personal fields, and so have the entries of others.
func TestForgetActor(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	leaver := acme.With(auth.WebhookEndpointsWrite, auth.WebhookEndpointsRead, auth.AuditLogRead)
	for range 3 {
		apitest.Want(t, leaver.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+`}`), "201 ")
	}
	mine := acme.Do("GET", "/v1/audit-log?action=webhook_endpoint.create&limit=1", "")
	actor := mine.Get(t, "data.0.actor.id")
	apitest.Want(t, mine, `200 "source_ip":"192.0.2.1"`)
	for _, tt := range []struct {
		name, body string
		as         apitest.Caller
		want       string
	}{
		{"without permission", `{"actor_id":"` + actor + `"}`, leaver, `403 audit_log:delete`},
		{"of another organization", `{"actor_id":"` + actor + `"}`, evil, `404 audit_actor_not_found`},
		{"nobody", `{"actor_id":"key_nobody"}`, acme, `404 audit_actor_not_found`},
		{"nothing", `{}`, acme, `422 actor_id`},
		{"too long", `{"actor_id":"` + strings.Repeat("a", 101) + `"}`, acme, `422 body.actor_id`},
		{"no text", `{"actor_id":"a\u0000"}`, acme, `422 body.actor_id`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do("POST", "/v1/audit-log/forget-actor", tt.body), tt.want)
		})
	}
	forgotten := acme.Do("POST", "/v1/audit-log/forget-actor", `{"actor_id":"`+actor+`"}`)
	apitest.Want(t, forgotten, `202 "actor_id":"`+actor+`" "job_id":"job_`)
	h.Advance(t, 3*time.Minute)
	apitest.Want(t, leaver.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+`}`), "201 ")
	sequence(t, h)
	runJobs(t, h)

	apitest.Want(t, acme.Do("GET", "/v1/jobs/"+forgotten.Get(t, "job_id"), ""), `200 "status":"succeeded"`)
	log := acme.Do("GET", "/v1/audit-log?action=webhook_endpoint.create", "").Body
	if n := strings.Count(log, `"user_agent":"test/`); n != 1 {
		t.Errorf("%d entries of the actor have a program, want only the last one: %s", n, log)
	}
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=audit_actor.forget&outcome=success", ""),
		`200 "outcome":"success" "id":"`+actor+`" "type":"audit_actor" "source_ip":"192.0.2.1"`)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify", ""), `200 "fault":null "erased":4`)
}
