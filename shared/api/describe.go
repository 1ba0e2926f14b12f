package api

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/api/audit"
	"portico/shared/api/edge"
	"portico/shared/api/events"
	"portico/shared/api/keys"
	"portico/shared/api/organizations"
	"portico/shared/api/people"
	"portico/shared/api/webhooks"
)

const (
	title   = "Portico API"
	version = "1.0.0"
	about   = `Publish events; Portico signs and delivers them to webhook endpoints, retries and logs every attempt.

Authenticate with ` + "`Authorization: Bearer ptc_…`" + `. Errors are RFC 9457 problems; their ` + "`code`" + ` is stable. Times are RFC 3339 in UTC, with six digits of microseconds. Lists are newest first: pass ` + "`next`" + ` as ` + "`after`" + ` for the following page. Replies may get further members in time: ignore those that you do not know.`
)

// tags are the areas of the API, in the order in which they are shown.
var tags = []*huma.Tag{
	{Name: events.Tag, Description: "What happened in your product: published once, delivered to every webhook endpoint that takes it."},
	{Name: webhooks.Tag, Description: "Where events are delivered to, how deliveries are signed and repeated, and what became of each."},
	{Name: keys.Tag, Description: "What programs call this API with."},
	{Name: organizations.Tag, Description: "The organization itself: its name, settings and branding, and the host names that identify it."},
	{Name: people.Tag, Description: "Who belongs to the organization, and what each may do, by role and resource grant."},
	{Name: audit.Tag, Description: "Who changed what, and when."},
	{Name: systemTag, Description: "The API about itself. Needs no key."},
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
		whole := &edge.Server{}
		if _, undescribe = whole.Handler(All()...); undescribe == nil {
			described = whole.OpenAPI()
			described.Info = &huma.Info{Title: title, Version: version, Description: about}
			described.Servers = []*huma.Server{{URL: "/", Description: "Where this description comes from."}}
			described.Tags = tags
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

// operationsOf lists every operation of the API and every webhook.
func operationsOf(d *huma.OpenAPI) (all []*huma.Operation) {
	for _, o := range All() {
		all = append(all, edge.Described(d, o.Meta()))
	}
	for _, name := range slices.Sorted(maps.Keys(d.Webhooks)) {
		all = append(all, d.Webhooks[name].Post)
	}
	return all
}
