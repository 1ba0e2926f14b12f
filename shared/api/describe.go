package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/auth"
)

const (
	title   = "Portico API"
	version = "1.0.0"
	about   = `Publish events; Portico signs and delivers them to webhook endpoints, retries and logs every attempt.

Authenticate with ` + "`Authorization: Bearer ptc_…`" + `. Errors are RFC 9457 problems; their ` + "`code`" + ` is stable. Times are RFC 3339 in UTC, with six digits of microseconds. Lists are newest first: pass ` + "`next`" + ` as ` + "`after`" + ` for the following page. Replies may get further members in time: ignore those that you do not know.`
)

// tags are the groups of operations, in the order in which they are shown.
var tags = []*huma.Tag{
	{Name: eventsTag, Description: "What happened in your product. An event is published once and delivered to every webhook endpoint that subscribes to its type."},
	{Name: endpointsTag, Description: "Where events are delivered to, how the deliveries are signed and repeated, and what becomes of those that fail."},
	{Name: deliveriesTag, Description: "One event on its way to one webhook endpoint, with every try and what the receiver answered."},
	{Name: apiKeysTag, Description: "What programs call this API with."},
	{Name: organizationTag, Description: "The organization itself: its name, settings and branding."},
	{Name: domainsTag, Description: "Host names that identify the organization."},
	{Name: membersTag, Description: "People in the organization, and what each may do."},
	{Name: rolesTag, Description: "Sets of permissions that members have."},
	{Name: auditLogTag, Description: "Who changed what, and when."},
	{Name: systemTag, Description: "The API about itself. Needs no key."},
}

const schemasPath = "#/components/schemas/"

// keyed is the requirement of an API key.
var keyed = []map[string][]string{{"api_key": {}}}

// describe is the description before any operation is registered.
func describe() *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI:  "3.1.0",
		Info:     &huma.Info{Title: title, Version: version, Description: about},
		Servers:  []*huma.Server{{URL: "/", Description: "Where this description comes from."}},
		Tags:     tags,
		Security: keyed,
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry(schemasPath, schemaName),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"api_key": {Type: "http", Scheme: "bearer", Description: "An API key: `ptc_` and 36 characters."},
			},
		},
	}
}

var (
	describing sync.Once
	described  *huma.OpenAPI
	undescribe error
)

// describeAll is the whole API's description: a function serves some operations
// and documents all. What huma makes of the types is what requests are checked
// against; this is made of the same types, and says what huma leaves out.
func describeAll() (*huma.OpenAPI, error) {
	describing.Do(func() {
		whole := &Server{}
		if _, undescribe = whole.Handler(All()...); undescribe == nil {
			described = whole.OpenAPI()
			undescribe = complete(described)
		}
	})
	return described, undescribe
}

// OpenAPI returns the whole API's description as JSON.
func OpenAPI() ([]byte, error) {
	d, err := describeAll()
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(d, "", "  ")
}

// complete adds to huma's description what it does not know.
func complete(d *huma.OpenAPI) error {
	describeWebhooks(d)
	describeReplies(d)
	describeProblems(d)
	finishSchemas(d)
	if err := giveExamples(d); err != nil {
		return err
	}
	return giveSamples(d)
}

// operationAt is how an operation is described.
func operationAt(d *huma.OpenAPI, op Op) *huma.Operation {
	item := d.Paths[op.Path]
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPatch: item.Patch, http.MethodPut: item.Put, http.MethodDelete: item.Delete,
	}[op.Method]
}

// operationsOf lists every operation of the API and every webhook.
func operationsOf(d *huma.OpenAPI) (all []*huma.Operation) {
	for _, o := range All() {
		all = append(all, operationAt(d, o.Meta()))
	}
	for _, name := range slices.Sorted(maps.Keys(d.Webhooks)) {
		all = append(all, d.Webhooks[name].Post)
	}
	return all
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// checkDescribed returns what an operation's input lacks of its path, and what of
// its query would be ignored.
func checkDescribed(d *huma.OpenAPI, op Op) error {
	for _, p := range operationAt(d, op).Parameters {
		if op.IgnoresQuery && p.In == "query" {
			return fmt.Errorf("operation %s ignores the query and has the parameter %s there", op.ID, p.Name)
		}
	}
	for _, found := range pathParameter.FindAllStringSubmatch(op.Path, -1) {
		if !slices.ContainsFunc(operationAt(d, op).Parameters, func(p *huma.Param) bool { return p.In == "path" && p.Name == found[1] }) {
			return fmt.Errorf("operation %s: its path has {%s} and its input has not: huma fills exported fields only, of exported embedded structs", op.ID, found[1])
		}
	}
	return nil
}

// securityOf is empty, and not left out, for an operation that needs no key.
func securityOf(op Op) []map[string][]string {
	if op.Permission == auth.Public {
		return []map[string][]string{}
	}
	return keyed
}
