package webhooks_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// A test event goes to one endpoint, whatever it subscribes to, and to no other.
func TestTestEvent(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	endpoint, _ := acme.NewEndpoint(`["never"]`)
	other, _ := acme.NewEndpoint(`["*","webhook_endpoint.*"]`)
	foreign, _ := evil.NewEndpoint(`["*"]`)
	acme.Make("/v1/event-types", `{"name":"order.made"}`)
	acme.Make("/v1/event-types/order.made/versions", `{"schema":{},"examples":[{"order":7}]}`)
	path := "/v1/webhook-endpoints/" + endpoint + "/test"
	for _, tt := range []struct {
		name, path, body string
		as               apitest.Caller
		want, event      string
	}{
		{"plain", path, `{}`, acme, `202 "event_type":"webhook_endpoint.test"`, `200 "type":"webhook_endpoint.test" "message":"This is a test`},
		{"of a type", path, `{"event_type":"a.b"}`, acme, `202 "event_type":"a.b"`, `200 "type":"a.b" "message":"This is a test`},
		{"of a type in the catalog", path, `{"event_type":"order.made"}`, acme, `202`, `200 "data":{"order":7}`},
		{"with data", path, `{"event_type":"order.made","data":[1]}`, acme, `202`, `200 "data":[1]`},
		{"of a reserved type", path, `{"event_type":"delivery.exhausted"}`, acme, `422 body.event_type`, ``},
		{"another organization's", "/v1/webhook-endpoints/" + foreign + "/test", `{}`, acme, `404 webhook_endpoint_not_found`, ``},
		{"without permission", path, `{}`, acme.With(auth.WebhookEndpointsWrite), `403 events:write`, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.as.Do("POST", tt.path, tt.body)
			apitest.Want(t, r, tt.want)
			if tt.event == "" {
				return
			}
			made := r.Get(t, "event_id")
			apitest.Want(t, acme.Do("GET", "/v1/events/"+made, ""), tt.event+` "test_endpoint_id":"`+endpoint+`" "delivery_count":1 {"endpoint_id":"`+other+`","reason":"test"}`)
			apitest.Want(t, acme.Do("GET", "/v1/deliveries?event_id="+made, ""), `200 "id":"`+r.Get(t, "delivery_id")+`" "endpoint_id":"`+endpoint+`" "status":"pending" !`+other)
		})
	}
	acme.Do("PATCH", "/v1/webhook-endpoints/"+endpoint, `{"status":"disabled"}`)
	apitest.Want(t, acme.Do("POST", path, `{}`), `409 webhook_endpoint_disabled`)
}
