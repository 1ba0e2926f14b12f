package api_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/docs"
	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// every calls f for every object of the description, with the names on the path
// to it.
func every(v any, names []string, f func(names []string, object map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		f(names, v)
		for name, member := range v {
			every(member, append(slices.Clip(names), name), f)
		}
	case []any:
		for _, item := range v {
			every(item, append(slices.Clip(names), "-"), f)
		}
	}
}

// The description that the API serves is the one of its operations.
func TestDescriptionIsGenerated(t *testing.T) {
	t.Parallel()
	text, err := api.OpenAPI()
	if err != nil || string(text) != string(docs.OpenAPI) {
		t.Errorf("docs/openapi.json does not describe the operations of the code: run make generate (%v)", err)
	}
}

// Every member of every request and reply, every parameter, header and tag has a
// description.
func TestEverythingIsExplained(t *testing.T) {
	t.Parallel()
	explained := 0
	every(apitest.Published().Root, nil, func(names []string, object map[string]any) {
		members, schema := object["properties"].(map[string]any)
		if !schema {
			members = nil
		}
		if _, parameter := object["in"].(string); parameter {
			members = map[string]any{object["name"].(string): object}
		}
		if slices.Equal(names, []string{"components", "headers"}) {
			members = object
		}
		for name, member := range members {
			if text, _ := member.(map[string]any)["description"].(string); text == "" && !slices.Contains(names, "example") {
				t.Errorf("%s of %s has no description", name, strings.Join(names, " "))
			}
			explained++
		}
	})
	if explained < 300 {
		t.Errorf("only %d were looked at", explained)
	}
	for _, tag := range apitest.Published().Root["tags"].([]any) {
		if text, _ := tag.(map[string]any)["description"].(string); text == "" {
			t.Errorf("the tag %v has no description", tag)
		}
	}
}

// Generated clients make a type of each schema, so its name must be one that all languages accept.
func TestSchemasHaveNames(t *testing.T) {
	t.Parallel()
	schemas := apitest.Published().Root["components"].(map[string]any)["schemas"].(map[string]any)
	if len(schemas) < 100 {
		t.Errorf("only %d schemas were found", len(schemas))
	}
	accepted := regexp.MustCompile(`^[A-Z][A-Za-z0-9]{2,}$`)
	for name, schema := range schemas {
		if !accepted.MatchString(name) {
			t.Errorf("a schema is called %q: name its Go type after what it describes: %v", name, schema)
		}
	}
}

// Every request and every reply has an example, and every example fits its
// schema: of whole bodies, problems, parameters and members.
func TestExamplesAreAsDescribed(t *testing.T) {
	t.Parallel()
	d, checked := apitest.Published(), 0
	check := func(value any, names ...string) {
		checked++
		text, err := json.Marshal(value)
		if err != nil {
			t.Error(err)
		}
		if err := d.Check(text, names...); err != nil {
			t.Errorf("the example %s of %s: %v", text, strings.Join(names, " "), err)
		}
	}
	every(d.Root, nil, func(names []string, object map[string]any) {
		if slices.Contains(names, "-") || slices.Contains(names, "example") {
			return // parameters and parts of schemas: their pointers have numbers; and examples that are descriptions
		}
		if object["schema"] != nil && len(names) > 1 && names[len(names)-2] == "content" {
			schema := append(slices.Clip(names), "schema")
			if object["example"] == nil && object["examples"] == nil && !strings.HasPrefix(names[len(names)-1], "text/") && names[1] != "/openapi.json" {
				t.Errorf("%s has no example", strings.Join(names, " "))
			}
			if object["example"] != nil {
				check(object["example"], schema...)
			}
			examples, _ := object["examples"].(map[string]any)
			for _, one := range examples {
				check(one.(map[string]any)["value"], schema...)
			}
		}
		if examples, ok := object["examples"].([]any); ok && names[len(names)-2] == "properties" {
			for _, one := range examples {
				check(one, names...)
			}
		}
	})
	if checked < 300 {
		t.Errorf("only %d examples were checked", checked)
	}
}

// A later version may add members to a reply, so no schema of a reply forbids
// other members; the schema of a request does.
func TestOnlyRequestsForbidMembers(t *testing.T) {
	t.Parallel()
	d := apitest.Published()
	for name := range d.At("components", "schemas") {
		_, closed := d.At("components", "schemas", name)["additionalProperties"].(bool)
		request := strings.HasSuffix(name, "Request") || slices.Contains([]string{"Draft", "BrandingChange", "ClientCertificate", "RotateSecret", "RedriveFilter", "FilterOfAll", "Conditions", "HttpsSettings", "SplunkSettings", "DatadogSettings", "S3Settings"}, name)
		if closed != request {
			t.Errorf("%s forbids other members: %v, want %v", name, closed, request)
		}
	}
}

// The description has what a generator needs: the address of the API, the
// security of each call, and the tags in order.
func TestDescriptionIsWhole(t *testing.T) {
	t.Parallel()
	d := apitest.Published()
	if diff := cmp.Diff([]any{map[string]any{"api_key": []any{}}}, d.Root["security"]); diff != "" {
		t.Errorf("security: %s", diff)
	}
	if servers, _ := d.Root["servers"].([]any); len(servers) != 1 || servers[0].(map[string]any)["url"] != "/" {
		t.Errorf("servers: %v", d.Root["servers"])
	}
	var order, used []string
	for _, tag := range d.Root["tags"].([]any) {
		order = append(order, tag.(map[string]any)["name"].(string))
	}
	for _, o := range api.All() {
		op := o.Meta()
		at := d.At("paths", op.Path, strings.ToLower(op.Method))
		if security, _ := at["security"].([]any); security == nil || (len(security) == 0) != (op.Permission == auth.Public) {
			t.Errorf("%s: security %v", op.ID, at["security"])
		}
		if !slices.Contains(used, op.Tag) {
			used = append(used, op.Tag)
		}
		for _, status := range []string{"429", "500", "503"} {
			if d.Follow("paths", op.Path, strings.ToLower(op.Method), "responses", status) == nil {
				t.Errorf("%s does not describe %s", op.ID, status)
			}
		}
	}
	slices.Sort(used)
	if diff := cmp.Diff(used, slices.Sorted(slices.Values(order))); diff != "" {
		t.Errorf("tags (-used +described): %s", diff)
	}
}

// Every webhook that Portico sends is described, and its example fits the
// description. So does the body that package event makes of a published event.
func TestWebhooksAreDescribed(t *testing.T) {
	t.Parallel()
	d := apitest.Published()
	names := []string{"event"}
	for _, o := range webhook.Operational() {
		names = append(names, o.Type)
		if !webhook.IsOperational(o.Type) {
			t.Errorf("anybody may publish %s", o.Type)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(d.At("webhooks")))); diff != "" {
		t.Errorf("webhooks (-sent +described): %s", diff)
	}
	h := apitest.New(t)
	h.Organization("Acme").Publish(`{"type":"invoice.paid","data":[1.10]}`)
	payload := testkit.Value[[]byte](t, h.Database, `SELECT payload FROM event`)
	if err := d.Check(payload, "webhooks", "event", "post", "requestBody", "content", "application/json", "schema"); err != nil {
		t.Errorf("%s is not as described: %v", payload, err)
	}
}

// The description of an operation has exactly the codes of its problems.
func TestEveryCodeIsDescribed(t *testing.T) {
	t.Parallel()
	for _, o := range api.All() {
		op := o.Meta()
		at := described(op)
		want := map[int][]string{}
		for _, a := range edge.Answers(op, at.Body != nil) {
			want[a.Status] = append(want[a.Status], a.Code)
		}
		for status, codes := range want {
			if got := apitest.Published().Codes(at, status); !slices.Equal(got, codes) {
				t.Errorf("%s: %d is described with the codes %v, but has %v", op.ID, status, got, codes)
			}
		}
	}
}

// Every example of a request can be sent unchanged, except for ids.
func TestRequestExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	staff := apitest.Caller{Harness: h, Key: h.Bootstrap(`{"command":"create_staff_key","name":"Ada"}`).StaffKey}
	person, _ := h.NewPerson("grace@example.com")
	support := h.NewStaffPerson("support")
	for _, o := range api.All() {
		op := o.Meta()
		if op.Example == "" {
			continue
		}
		as := h.Organization("Acme")
		own := things(as)
		if op.ID == "createDirectory" { // each connection has one at most
			own["/v1/sso-connections"] = as.Make("/v1/sso-connections", `{"type":"saml","name":"Okta"}`)
		}
		path := place(t, op, own)
		var headers []string
		if op.Acts == edge.OnNamed || op.Acts == edge.OnChosen || op.Acts == edge.OnClosed {
			headers = []string{"Portico-Organization", as.Org.String()}
		}
		if op.Acts.StaffOnly() {
			as = staff
		}
		switch op.Acts {
		case edge.OnSelf:
			as = person
		case edge.OnClosed:
			as = support
		}
		body := strings.NewReplacer("mem_01jdf3z9k2e4nv6xq8r0s1t2v3", own["/v1/members"],
			"we_01jdf3z9k2e4nv6xq8r0s1t2v3", own["/v1/webhook-endpoints"]).Replace(op.Example)
		r := as.Do(op.Method, path, body, headers...)
		if r.Status >= 300 && !strings.Contains(r.Body, "ordering_key_not_paused") && !strings.Contains(r.Body, "job_not_dead") && !strings.Contains(r.Body, "mail_not_found") && !strings.Contains(r.Body, "nothing_to_replay") && !strings.Contains(r.Body, "more than 90 days ago") && !strings.Contains(r.Body, "that the consumer was given") {
			t.Errorf("%s with %s: %d %s", op.ID, body, r.Status, r.Body)
		}
	}
}
