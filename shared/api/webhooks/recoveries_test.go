package webhooks_test

import (
	"regexp"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// Recoveries are begun for an endpoint, shown with their progress, and cancelled, only by
// their own organization. What is wrong is refused with a reason.
func TestRecoveries(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	since := `"since":"` + h.Clock.Now().Add(-time.Hour).Format(time.RFC3339) + `"`
	one, _ := acme.NewEndpoint(`["a"]`)
	foreign, _ := evil.NewEndpoint(`["a"]`)
	acme.Publish(`{"type":"a","data":1}`)
	delivery := regexp.MustCompile(`dlv_\w{26}`).FindString(acme.Do("GET", "/v1/deliveries", "").Body)
	h.Exec(`UPDATE webhook_delivery SET status = 'failed', next_retry_at = NULL, completed_at = portico_now(), attempts = 8`)
	theirs := evil.Make("/v1/webhook-endpoints/"+foreign+"/recover", `{`+since+`}`)

	endpoints, own := "/v1/webhook-endpoints/", "/v1/webhook-endpoints/"+one
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"recover without permission", "POST", own + "/recover", `{` + since + `}`, acme.With(auth.WebhookEndpointsWrite), `403 deliveries:write`},
		{"recover another organization's", "POST", endpoints + foreign + "/recover", `{` + since + `}`, acme, `404 webhook_endpoint_not_found`},
		{"recover without a time", "POST", own + "/recover", `{}`, acme, `422 body.since`},
		{"recover the future", "POST", own + "/recover", `{"since":"2099-01-01T00:00:00Z"}`, acme, `422 body.since`},
		{"recover no time", "POST", own + "/recover", `{` + since + `,"until":"2020-01-01T00:00:00Z"}`, acme, `422 body.since`},
		{"recover what is pending", "POST", own + "/recover", `{` + since + `,"statuses":["pending"]}`, acme, `422 body.statuses`},
		{"replay without permission", "POST", own + "/replay", `{` + since + `}`, acme.With(auth.WebhookEndpointsWrite), `403 deliveries:write`},
		{"replay to another organization's", "POST", endpoints + foreign + "/replay", `{` + since + `}`, acme, `404 webhook_endpoint_not_found`},
		{"replay no types", "POST", own + "/replay", `{` + since + `,"event_types":[]}`, acme, `422 body.event_types`},
		{"replay a type that is none", "POST", own + "/replay", `{` + since + `,"event_types":["a b"]}`, acme, `422 body.event_types`},
		{"list none", "GET", own + "/recoveries", "", acme, `200 "data":[]`},
		{"list another organization's", "GET", endpoints + foreign + "/recoveries", "", acme, `404 webhook_endpoint_not_found`},
		{"list without permission", "GET", own + "/recoveries", "", acme.With(auth.EventsRead), `403 deliveries:read`},
		{"get another organization's", "GET", "/v1/recoveries/" + theirs, "", acme, `404 recovery_not_found`},
		{"get without permission", "GET", "/v1/recoveries/" + theirs, "", acme.With(auth.EventsRead), `403 deliveries:read`},
		{"cancel another organization's", "POST", "/v1/recoveries/" + theirs + "/cancel", "", acme, `404 recovery_not_found`},
		{"cancel without permission", "POST", "/v1/recoveries/" + theirs + "/cancel", "", acme.With(auth.DeliveriesRead), `403 deliveries:write`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do(tt.method, tt.path, tt.body), tt.want) })
	}

	first := acme.Make(own+"/recover", `{`+since+`}`)
	apitest.Want(t, acme.Do("POST", own+"/replay", `{`+since+`}`), `409 recovery_running`)
	apitest.Want(t, acme.Do("GET", "/v1/recoveries/"+first, ""), `200 "status":"running" "statuses":["failed"] "delivery_count":0 "finished_at":null`)
	h.DoJobs()
	apitest.Want(t, acme.Do("GET", "/v1/recoveries/"+first, ""), `200 "status":"succeeded" "kind":"recover" "delivery_count":1 "examined_count":1`)
	apitest.Want(t, acme.Do("GET", "/v1/deliveries/"+delivery, ""), `200 "status":"pending" "attempt_count":8`)
	apitest.Want(t, acme.Do("POST", "/v1/recoveries/"+first+"/cancel", ""), `409 recovery_finished`)

	second := acme.Make(own+"/replay", `{`+since+`,"event_types":["b.*"]}`)
	apitest.Want(t, acme.Do("POST", "/v1/recoveries/"+second+"/cancel", ""), `200 "status":"cancelled" "event_types":["b.*"] "kind":"replay"`)
	apitest.Want(t, acme.Do("GET", own+"/recoveries", ""), `200 `+first+` `+second+` !`+theirs)
	apitest.Want(t, acme.Do("GET", own+"/recoveries?limit=1", ""), `200 `+second+` "next":" !`+first)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=recovery.cancel", ""), `200 `+second+` "status":"cancelled"`)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=webhook_endpoint.recover", ""), `200 `+first+` `+one)
}
