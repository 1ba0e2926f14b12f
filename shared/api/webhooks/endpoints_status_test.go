package webhooks_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// The deliveries of a disabled endpoint are held until it is enabled. Enabling
// wakes a dispatcher, or drops them.
func TestEndpointStatus(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	id, _ := acme.NewEndpoint(`["*"]`)
	own := "/v1/webhook-endpoints/" + id
	publish := func() { apitest.Want(t, acme.Publish(`{"type":"a","data":1}`), "202 ") }
	for _, tt := range []struct{ name, method, path, body, want string }{
		{"enabled at first", "GET", own, "", `200 "status":"enabled" "disabled_at":null "disabled_reason":null`},
		{"an unknown status", "PATCH", own, `{"status":"paused"}`, `422 body.status`},
		{"held deliveries without a status", "PATCH", own, `{"held_deliveries":"drop"}`, `422 body.held_deliveries`},
		{"held deliveries on disabling", "PATCH", own, `{"status":"disabled","held_deliveries":"drop"}`, `422 body.held_deliveries`},
		{"an unknown fate", "PATCH", own, `{"status":"enabled","held_deliveries":"keep"}`, `422 body.held_deliveries`},
		{"a status on creation", "POST", "/v1/webhook-endpoints", apitest.PlainEndpoint + `,"status":"disabled"}`, `422 body.status`},
		{"disable", "PATCH", own, `{"status":"disabled"}`, `200 "status":"disabled" "disabled_reason":"requested" !"disabled_at":null`},
		{"disable again", "PATCH", own, `{"status":"disabled"}`, `200 "status":"disabled" "disabled_reason":"requested"`},
		{"publish", "", "", "", ""},
		{"held", "GET", "/v1/deliveries", "", `200 "status":"held" "next_retry_at":null`},
		{"listed as held", "GET", "/v1/deliveries?status=held", "", `200 dlv_`},
		{"not listed as pending", "GET", "/v1/deliveries?status=pending", "", `200 !dlv_`},
		{"change something else", "PATCH", own, `{"description":"x"}`, `200 "status":"disabled"`},
		{"enable", "PATCH", own, `{"status":"enabled"}`, `200 "status":"enabled" "disabled_at":null "disabled_reason":null`},
		{"pending", "GET", "/v1/deliveries?status=pending", "", `200 dlv_ !"next_retry_at":null`},
		{"disable to drop", "PATCH", own, `{"status":"disabled"}`, `200 "status":"disabled"`},
		{"enable and drop", "PATCH", own, `{"status":"enabled","held_deliveries":"drop"}`, `200 "status":"enabled"`},
		{"dropped", "GET", "/v1/deliveries?status=failed", "", `200 dlv_`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.method == "" {
				publish()
				return
			}
			h.NewWaker()
			before := h.Nudges.Depth().Visible
			apitest.Want(t, acme.Do(tt.method, tt.path, tt.body), tt.want)
			if woken := h.Nudges.Depth().Visible > before; woken != (tt.name == "enable" || tt.name == "enable and drop") {
				t.Errorf("woke a dispatcher: %v", woken)
			}
		})
	}
}

// An ordered endpoint lists the keys that have unfinished deliveries, and a
// paused key can be resumed; only with the permission, and only by the endpoint's
// own organization.
func TestOrderingKeys(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	id, _ := acme.NewEndpoint(`["*"]`)
	foreign, _ := evil.NewEndpoint(`["*"]`)
	apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+id, `{"ordered":true}`), "200 ")
	for _, key := range []string{"b", "a", "a", "c d"} {
		apitest.Want(t, acme.Publish(`{"type":"a","data":1,"ordering_key":"`+key+`"}`), "202 ")
	}
	pause := func(key string) {
		h.Exec(`
			INSERT INTO webhook_paused_key (org_id, endpoint_id, ordering_key, event_id, paused_at)
			SELECT org_id, endpoint_id, ordering_key, event_id, portico_now() FROM webhook_delivery WHERE ordering_key = $1 LIMIT 1`, key)
	}
	pause("a")
	reader := acme.With(auth.WebhookEndpointsRead)
	missing := "we_01890000000000000000000000"
	for _, tt := range []struct {
		name, method, endpoint, rest, body string
		as                                 apitest.Caller
		want                               string
	}{
		{"all", "GET", id, "/ordering-keys", "", reader, `200 "ordering_key":"a" "pending_count":2 "ordering_key":"b" "head_delivery_id":"dlv_ "next":null`},
		{"the first", "GET", id, "/ordering-keys?limit=1", "", acme, `200 "ordering_key":"a" !"paused_at":null "paused_by_event_id":"evt_ !"ordering_key":"b" !"next":null`},
		{"a forged cursor", "GET", id, "/ordering-keys?after=AAAA", "", acme, `422 query.after`},
		{"of another organization's endpoint", "GET", foreign, "/ordering-keys", "", acme, `404 webhook_endpoint_not_found`},
		{"of a missing endpoint", "GET", missing, "/ordering-keys", "", acme, `404 webhook_endpoint_not_found`},
		{"without permission", "GET", id, "/ordering-keys", "", acme.With(auth.EventsRead), `403 permission_missing`},
		{"resume one that is not paused", "POST", id, "/resume-ordering-key", `{"ordering_key":"b"}`, acme, `409 ordering_key_not_paused`},
		{"resume an unknown one", "POST", id, "/resume-ordering-key", `{"ordering_key":"nobody's"}`, acme, `409 ordering_key_not_paused`},
		{"resume a key with NUL", "POST", id, "/resume-ordering-key", `{"ordering_key":"\u0000"}`, acme, `422 body.ordering_key`},
		{"resume an empty key", "POST", id, "/resume-ordering-key", `{"ordering_key":""}`, acme, `422 body.ordering_key`},
		{"resume without a body", "POST", id, "/resume-ordering-key", ``, acme, `400 `},
		{"resume at another organization's endpoint", "POST", foreign, "/resume-ordering-key", `{"ordering_key":"a"}`, acme, `404 webhook_endpoint_not_found`},
		{"resume without permission", "POST", id, "/resume-ordering-key", `{"ordering_key":"a"}`, reader, `403 webhook_endpoints:write`},
		{"resume", "POST", id, "/resume-ordering-key", `{"ordering_key":"a"}`, acme, `204`},
		{"resume again", "POST", id, "/resume-ordering-key", `{"ordering_key":"a"}`, acme, `409 ordering_key_not_paused`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/webhook-endpoints/"+tt.endpoint+tt.rest, tt.body), tt.want)
		})
	}
	first := acme.Do("GET", "/v1/webhook-endpoints/"+id+"/ordering-keys?limit=2", "")
	apitest.Want(t, acme.Do("GET", "/v1/webhook-endpoints/"+id+"/ordering-keys?after="+first.Get(t, "next"), ""), `200 !"ordering_key":"b" "pending_count":1 "next":null`)
}

// The list of endpoints can be filtered by status and by whether tries fail, also over
// pages.
func TestEndpointFilters(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	healthy, _ := acme.NewEndpoint(`["*"]`)
	failing, _ := acme.NewEndpoint(`["*"]`)
	both, _ := acme.NewEndpoint(`["*"]`)
	h.Exec(`UPDATE webhook_lane SET failing_since = portico_now(), failures = 3 WHERE endpoint_id <> (SELECT id FROM webhook_endpoint ORDER BY id LIMIT 1)`)
	apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+both, `{"status":"disabled"}`), "200 ")
	for query, want := range map[string]string{
		"":                             `200 ` + healthy + ` ` + failing + ` ` + both,
		"status=enabled":               `200 ` + healthy + ` ` + failing + ` !` + both,
		"status=disabled":              `200 ` + both + ` !` + healthy + ` !` + failing,
		"failing=true":                 `200 ` + both + ` ` + failing + ` !` + healthy,
		"failing=true&limit=1":         `200 ` + both + ` "next":" !` + failing,
		"failing=true&status=enabled":  `200 ` + failing + ` "next":null !` + healthy + ` !` + both,
		"failing=false&status=enabled": `200 ` + healthy + ` ` + failing + ` !` + both,
		"status=failing":               `422 query.status`,
	} {
		apitest.Want(t, acme.Do("GET", "/v1/webhook-endpoints?"+query, ""), want)
	}
}
