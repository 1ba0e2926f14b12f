package events_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

const invoiceSchema = `{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"customer":{"type":"object","properties":{"email":{"type":"string"}}}}}`

// newType adds a type to the catalog.
func newType(c apitest.Caller, body string) {
	c.T.Helper()
	apitest.Want(c.T, c.Do("POST", "/v1/event-types", body), "201 ")
}

// Every operation works on the caller's own catalog; another organization's type
// looks like one that does not exist.
func TestEventTypes(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	newType(evil, `{"name":"evil.done"}`)
	reader, nobody := acme.With(auth.EventTypesRead), acme.With(auth.EventsWrite)
	full := `{"name":"invoice.paid","description":"Paid.","group":"billing","validation":"required","schema":` + invoiceSchema + `,"examples":[{"id":"in_1"}]}`
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"create", "POST", "", full, acme, `201 "name":"invoice.paid" "group":"billing" "validation":"required" "version":1 "version_count":1 "schema":{"type":"object" "examples":[{"id":"in_1"}] "archived_at":null`},
		{"create it again", "POST", "", full, acme, `409 event_type_exists`},
		{"create without a schema", "POST", "", `{"name":"order.made"}`, acme, `201 "group":null "validation":"off" "version":null "schema":null "examples":[]`},
		{"create without permission", "POST", "", `{"name":"x"}`, reader, `403 event_types:write`},
		{"create with a malformed name", "POST", "", `{"name":"a b"}`, acme, `422 body.name`},
		{"create with a reserved name", "POST", "", `{"name":"webhook_endpoint.failing"}`, acme, `422 body.name reserved`},
		{"create with the name of the description", "POST", "", `{"name":"openapi.json"}`, acme, `422 body.name reserved`},
		{"create with a schema of an older draft", "POST", "", `{"name":"x","schema":{"$schema":"http://json-schema.org/draft-07/schema#"}}`, acme, `422 body.schema 2020-12`},
		{"create with a wrong example", "POST", "", `{"name":"x","schema":` + invoiceSchema + `,"examples":[{"id":"a"},{"id":1}]}`, acme, `422 body.examples[1].id #/properties/id/type`},
		{"create with examples alone", "POST", "", `{"name":"x","examples":[1]}`, acme, `422 body.examples`},
		{"create with validation alone", "POST", "", `{"name":"x","validation":"required"}`, acme, `422 body.validation`},
		{"get", "GET", "/invoice.paid", "", reader, `200 "schema":{"type":"object"`},
		{"get missing", "GET", "/absent", "", acme, `404 event_type_not_found`},
		{"get another organization's", "GET", "/evil.done", "", acme, `404 event_type_not_found`},
		{"get without permission", "GET", "/invoice.paid", "", nobody, `403 event_types:read`},
		{"list", "GET", "", "", acme, `200 invoice.paid order.made !evil !"schema"`},
		{"list a group", "GET", "?group=billing", "", acme, `200 invoice.paid !order.made`},
		{"list a page", "GET", "?limit=1", "", acme, `200 invoice.paid !order.made !"next":null`},
		{"update", "PATCH", "/order.made", `{"group":"orders","description":"Made."}`, acme, `200 "group":"orders" "description":"Made."`},
		{"update to validation without a version", "PATCH", "/order.made", `{"validation":"required"}`, acme, `422 body.validation`},
		{"update to a missing version", "PATCH", "/invoice.paid", `{"version":2}`, acme, `404 event_type_version_not_found`},
		{"update another organization's", "PATCH", "/evil.done", `{"group":"x"}`, acme, `404 event_type_not_found`},
		{"archive", "PATCH", "/order.made", `{"archived":true}`, acme, `200 !"archived_at":null`},
		{"list archived ones", "GET", "?archived=true", "", acme, `200 order.made !invoice.paid`},
		{"list those in use", "GET", "?archived=false", "", acme, `200 invoice.paid !order.made`},
		{"add a version", "POST", "/invoice.paid/versions", `{"schema":{"type":"string"},"examples":["a"]}`, acme, `201 "number":2 "schema":{"type":"string"} "created_by":"key_`},
		{"add a wrong version", "POST", "/invoice.paid/versions", `{"schema":{"type":"text"}}`, acme, `422 body.schema`},
		{"add a version without permission", "POST", "/invoice.paid/versions", `{"schema":{}}`, reader, `403 event_types:write`},
		{"add a version to another organization's", "POST", "/evil.done/versions", `{"schema":{}}`, acme, `404 event_type_not_found`},
		{"list versions", "GET", "/invoice.paid/versions", "", reader, `200 "number":2 "number":1 "next":null`},
		{"list versions of another organization's", "GET", "/evil.done/versions", "", acme, `404 event_type_not_found`},
		{"try valid data", "POST", "/invoice.paid/validate", `{"data":"a"}`, reader, `200 "valid":true "version":2 "errors":[]`},
		{"try invalid data", "POST", "/invoice.paid/validate", `{"data":{"customer":{"email":1}},"version":1}`, reader, `200 "valid":false "version":1 body.data.customer.email body.data.id "is missing`},
		{"try a type without schema", "POST", "/order.made/validate", `{"data":1}`, reader, `404 event_type_version_not_found`},
		{"back to an older version", "PATCH", "/invoice.paid", `{"version":1}`, acme, `200 "version":1 "version_count":2 "schema":{"type":"object"`},
		{"delete another organization's", "DELETE", "/evil.done", "", acme, `404 event_type_not_found`},
		{"delete", "DELETE", "/invoice.paid", "", acme, `204`},
		{"get deleted", "GET", "/invoice.paid", "", acme, `404`},
		{"create it once more", "POST", "", full, acme, `201 "version":1`},
	} {
		r := tt.as.Do(tt.method, "/v1/event-types"+tt.path, tt.body)
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, r, tt.want) })
	}
	first := acme.Do("GET", "/v1/event-types?limit=1", "")
	apitest.Want(t, acme.Do("GET", "/v1/event-types?limit=1&after="+first.Get(t, "next"), ""), `200 order.made !invoice.paid "next":null`)
	apitest.Want(t, evil.Do("GET", "/v1/event-types?after="+first.Get(t, "next"), ""), `422 query.after`)
}

// A publish whose data its type's schema refuses is refused as a whole, and names the
// places. Changes of a type count from the next publish on, also while another
// environment keeps the catalog of before.
func TestPublishesAreValidated(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	other := acme.Environment(apitest.Never) // never changes a type
	good, bad := `{"type":"invoice.paid","data":{"id":"in_1"}}`, `{"type":"invoice.paid","data":{"id":1,"customer":{"email":2}}}`
	publish := func(when, body, want string) {
		t.Helper()
		for range 2 { // the second one uses what the first has cached
			for _, c := range []apitest.Caller{acme, other} {
				t.Run(when, func(t *testing.T) { apitest.Want(t, c.Do("POST", "/v1/events", body), want) })
			}
		}
	}
	change := func(method, path, body string) {
		t.Helper()
		if r := acme.Do(method, "/v1/event-types"+path, body); r.Status >= 300 {
			t.Fatal(r)
		}
	}
	publish("before", bad, `202 "unknown_type":true`)
	change("POST", "", `{"name":"invoice.paid","schema":`+invoiceSchema+`}`)
	publish("documented only", bad, `202 "unknown_type":false`)
	change("PATCH", "/invoice.paid", `{"validation":"required"}`)
	publish("validated", bad, `422 invalid_request body.data.id body.data.customer.email #/properties/id/type`)
	publish("validated", good, `202 `)
	count := len(acme.Do("GET", "/v1/events", "").Body)
	batch := acme.Do("POST", "/v1/events/batch", `{"events":[`+good+`,`+good+`,{"type":"other","data":1},`+bad+`]}`)
	apitest.Want(t, batch, `422 "body.events[3].data.id" "body.events[3].data.customer.email" !events[0] !events[2]`)
	if after := len(acme.Do("GET", "/v1/events", "").Body); after != count {
		t.Error("a refused batch was stored in part")
	}
	change("POST", "/invoice.paid/versions", `{"schema":{"required":["total"]}}`)
	publish("next version", good, `422 body.data.total #/required`)
	change("PATCH", "/invoice.paid", `{"version":1}`)
	publish("first version", good, `202 `)
	change("PATCH", "/invoice.paid", `{"archived":true}`)
	publish("archived", good, `422 body.type archived`)
	change("PATCH", "/invoice.paid", `{"archived":false,"validation":"off"}`)
	publish("not validated", bad, `202 "unknown_type":false`)
	change("DELETE", "/invoice.paid", "")
	publish("deleted", bad, `202 "unknown_type":true`)
	change("POST", "", `{"name":"invoice.paid","validation":"required","schema":{"type":"string"}}`)
	publish("created again", good, `422 body.data #/type`)
	apitest.Want(t, evil.Do("POST", "/v1/events", good), `202 "unknown_type":true`)
}

// A refused publish names at most twenty places.
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	newType(acme, `{"name":"a","validation":"required","schema":{"items":{"type":"string"}}}`)
	event := `{"type":"a","data":[` + strings.Repeat("1,", 100) + `1]}`
	r := acme.Do("POST", "/v1/events/batch", `{"events":[`+strings.Repeat(event+",", 9)+event+`]}`)
	apitest.Want(t, r, `422 body.events[0].data[0] body.events[1].data[0] !body.events[2]`)
	if n := strings.Count(r.Body, `"location"`); n != 20 {
		t.Errorf("%d places are named", n)
	}
}

// The reply to a publish says that nobody knows the type: the catalog has not got it,
// and no endpoint, also a disabled one, names it or a prefix of it.
func TestUnknownTypes(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	disabled, _ := acme.NewEndpoint(`["invoice.*"]`)
	apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+disabled, `{"status":"disabled"}`), "200 ")
	acme.NewEndpoint(`["order.made"]`)
	acme.NewEndpoint(`["*"]`)
	newType(acme, `{"name":"customer.created"}`)
	var events []string
	types := map[string]bool{"invoice.paid": false, "order.made": false, "customer.created": false, "invioce.paid": true, "order": true, "customer.created.x": true}
	for name, unknown := range types {
		event := fmt.Sprintf(`{"type":%q,"data":1}`, name)
		events = append(events, event)
		apitest.Want(t, acme.Do("POST", "/v1/events", event), fmt.Sprintf(`202 "unknown_type":%v`, unknown))
	}
	var batch struct {
		Data []struct {
			Type    string
			Unknown bool `json:"unknown_type"`
		}
	}
	acme.Do("POST", "/v1/events/batch", `{"events":[`+strings.Join(events, ",")+`]}`).Decode(t, &batch)
	for _, e := range batch.Data {
		if e.Unknown != types[e.Type] {
			t.Errorf("%s: %v", e.Type, e.Unknown)
		}
	}
	if len(batch.Data) != len(types) {
		t.Error(batch)
	}
}

// With a catalog, the reply to creating or changing an endpoint names the subscriptions
// that nothing in it fits; they are accepted.
func TestUnknownSubscriptions(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	newType(evil, `{"name":"invioce.paid"}`)
	const types = `["invoice.paid","invoice.*","invoice","invioce.paid","invioce.*","group:billing","group:sales","mail.*","delivery.exhausted","*"]`
	const body = `{"url":"https://example.com/","event_types":` + types + `}`
	apitest.Want(t, acme.Do("POST", "/v1/webhook-endpoints", body), `201 "unknown_event_types":[]`)
	newType(acme, `{"name":"invoice.paid","group":"billing"}`)
	const unknown = `"unknown_event_types":["invoice","invioce.paid","invioce.*","group:sales"]`
	made := acme.Do("POST", "/v1/webhook-endpoints", body)
	apitest.Want(t, made, `201 `+unknown+` "event_types":`+types)
	path := "/v1/webhook-endpoints/" + made.Get(t, "id")
	apitest.Want(t, acme.Do("PATCH", path, `{"description":"x"}`), `200 `+unknown)
	apitest.Want(t, acme.Do("PATCH", path, `{"event_types":["invoice.*"]}`), `200 "unknown_event_types":[]`)
}

// An endpoint that subscribes to a group gets the types that are in it at the time of
// the publish; a past event says why it did not.
func TestGroups(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	other := acme.Environment(apitest.Never)
	endpoint, _ := acme.NewEndpoint(`["group:billing"]`)
	publish := func(body string, want int) (event string) {
		t.Helper()
		for range 2 {
			for _, c := range []apitest.Caller{acme, other} {
				r := c.Do("POST", "/v1/events", body)
				apitest.Want(t, r, fmt.Sprintf(`202 "delivery_count":%d`, want))
				event = r.Get(t, "id")
			}
		}
		return event
	}
	newType(acme, `{"name":"invoice.paid","group":"billing"}`)
	publish(`{"type":"invoice.paid","data":1}`, 1)
	publish(`{"type":"billing","data":1}`, 0)
	missed := publish(`{"type":"invoice.sent","data":1}`, 0)
	apitest.Want(t, acme.Do("GET", "/v1/events/"+missed, ""), `200 {"endpoint_id":"`+endpoint+`","reason":"event_type"}`)
	newType(acme, `{"name":"invoice.sent","group":"billing"}`)
	publish(`{"type":"invoice.sent","data":1}`, 1)
	apitest.Want(t, acme.Do("GET", "/v1/events/"+missed, ""), `200 {"endpoint_id":"`+endpoint+`","reason":"changed_later"}`)
	apitest.Want(t, acme.Do("PATCH", "/v1/event-types/invoice.sent", `{"group":""}`), `200 "group":null`)
	publish(`{"type":"invoice.sent","data":1}`, 0)
	for _, wrong := range []string{"group:", "group:*", "group:a.*", "groups:a", "group:a b"} {
		list, _ := json.Marshal([]string{wrong})
		apitest.Want(t, acme.Do("POST", "/v1/webhook-endpoints", `{"url":"https://example.com/","event_types":`+string(list)+`}`), `422 body.event_types`)
	}
}
