package events_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/eventtype"
)

// An import says what it does with each type, and a dry run the same without doing it.
func TestImport(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	newType(acme, `{"name":"invoice.paid","description":"Old.","schema":`+invoiceSchema+`,"validation":"required"}`)
	newType(acme, `{"name":"order.made","group":"orders","schema":{"type":"object"}}`)
	post := func(tag, schema string) string {
		return `{"post":{"tags":["` + tag + `"],"requestBody":{"content":{"application/json":{"schema":` + schema + `}}}}}`
	}
	document := `{"openapi":"3.1.0","webhooks":{"invoice.paid":` + post("billing", `{"$ref":"#/components/schemas/Invoice"}`) + `,"order.made":` + post("orders", `{"type":"object"}`) +
		`,"new.one":` + post("x", `{"type":"string"}`) + `,"away":` + post("x", `{"$ref":"https://example.com/"}`) + `},"components":{"schemas":{"Invoice":{"type":"object","required":["total"]}}}}`
	body := func(dry bool) string {
		return fmt.Sprintf(`{"document":%s,"components":{"Invoice":"invoice.sent"},"dry_run":%v}`, document, dry)
	}
	done := `"name":"away","result":"skipped","reason":"the reference \"https://example.com/\" {"name":"invoice.paid","result":"changed","reason":null,"version":2} ` +
		`{"name":"invoice.sent","result":"created","reason":null,"version":1} {"name":"new.one","result":"created","reason":null,"version":1} {"name":"order.made","result":"unchanged","reason":null,"version":null}`
	before := acme.Do("GET", "/v1/event-types", "").Body
	for _, tt := range []struct {
		name, body string
		as         apitest.Caller
		want       string
	}{
		{"without permission", body(false), acme.With(auth.EventTypesRead), `403 event_types:write`},
		{"no document", `{"document":{"swagger":"2.0"}}`, acme, `422 body.document 3.1`},
		{"a dry run", body(true), acme, `200 "dry_run":true ` + done},
		{"for real", body(false), acme, `200 "dry_run":false ` + done},
		{"again", body(false), acme, `200 {"name":"invoice.paid","result":"unchanged" {"name":"invoice.sent","result":"unchanged"`},
	} {
		r := tt.as.Do("POST", "/v1/event-types/import", tt.body)
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, r, tt.want) })
		if after := acme.Do("GET", "/v1/event-types", "").Body; tt.name != "for real" && tt.name != "again" && after != before {
			t.Errorf("%s changed the catalog", tt.name)
		}
	}
	apitest.Want(t, acme.Do("GET", "/v1/event-types/invoice.paid", ""), `200 "version":2 "group":"billing" "description":"Old." "validation":"required" "required":["total"]`)
	apitest.Want(t, acme.Publish(`{"type":"new.one","data":1}`), `202 "unknown_type":false`)
	apitest.Want(t, acme.Do("POST", "/v1/events", `{"type":"invoice.paid","data":{}}`), `422 body.data.total`)
	apitest.Want(t, evil.Do("GET", "/v1/event-types", ""), `200 "data":[]`)
}

// A full catalog, and a type that has all its versions, are not made larger.
func TestImportRespectsLimits(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	acme.Exec(`INSERT INTO event_type (org_id, name, versions) SELECT id, 'a' || n, $1 FROM organization, generate_series(1, $2) AS n`, eventtype.MaxVersions, eventtype.MaxTypes-1)
	type result struct {
		Data []struct{ Name, Result string }
	}
	for _, dry := range []bool{true, false} {
		var got result
		acme.Do("POST", "/v1/event-types/import", fmt.Sprintf(`{"dry_run":%v,"document":{"openapi":"3.1.0","components":{"schemas":{"A":{},"B":{},"C":{}}}},"components":{"A":"a1","B":"b","C":"c"}}`, dry)).Decode(t, &got)
		if fmt.Sprint(got.Data) != "[{a1 skipped} {b created} {c skipped}]" {
			t.Error(got.Data)
		}
	}
	apitest.Want(t, acme.Do("POST", "/v1/event-types", `{"name":"x"}`), `409 too_many_event_types`)
	apitest.Want(t, acme.Do("POST", "/v1/event-types/a1/versions", `{"schema":{}}`), `409 too_many_event_type_versions`)
}

// The description has the organization's own types and nobody else's; the public one
// has none.
func TestDescription(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	newType(acme, `{"name":"invoice.paid","description":"An invoice was paid.","group":"billing","schema":`+invoiceSchema+`,"examples":[{"id":"in_1"}]}`)
	newType(acme, `{"name":"acme.done","archived":true}`)
	newType(evil, `{"name":"evil.done"}`)
	r := acme.With(auth.EventTypesRead).Do("GET", "/v1/event-types/openapi.json", "")
	apitest.Want(t, r, `200 "openapi":"3.1.0" Acme "invoice.paid":{"post" "acme.done":{"post" "deprecated":true "tags":["billing"] "const":"invoice.paid" "data":{"id":"in_1"} !evil`)
	apitest.Want(t, acme.Do("GET", "/v1/event-types/openapi.json?group=billing", ""), `200 invoice.paid !acme.done`)
	apitest.Want(t, acme.With(auth.EventsRead).Do("GET", "/v1/event-types/openapi.json", ""), `403 event_types:read`)
	again := acme.Do("POST", "/v1/event-types/import", `{"document":`+r.Body+`}`)
	apitest.Want(t, again, `200 {"name":"invoice.paid","result":"unchanged" {"name":"acme.done","result":"unchanged"`)
	if strings.Contains(string(mustJSON(t, h.Server.OpenAPI())), "acme.done") {
		t.Error("the public description has a type of an organization")
	}
	acme.Exec(`INSERT INTO event_type_version (org_id, name, number, digest, created_by, schema, examples)
		SELECT org_id, name, 2, digest, 'c', convert_to('"' || repeat('x', 3200000) || '"', 'UTF8'), '[]' FROM event_type_version`)
	acme.Exec(`UPDATE event_type SET version = 2, versions = 2 WHERE name = 'invoice.paid'`)
	apitest.Want(t, acme.Do("GET", "/v1/event-types/openapi.json", ""), `422 query.group`)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
