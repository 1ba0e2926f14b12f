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
			described.Info = &huma.Info{Title: title, Version: version, Description: "#about"}
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
	if err := describeWebhooks(d); err != nil {
		return err
	}
	describeReplies(d)
	describeProblems(d)
	text, err := readTexts()
	if err != nil {
		return err
	}
	fillOperations(d, text)
	finishSchemas(d, text)
	if err := text.check(); err != nil {
		return err
	}
	if err := giveExamples(d); err != nil {
		return err
	}
	return giveSamples(d)
}

// fillOperations puts the texts where headings stand for them, but in schemas.
func fillOperations(d *huma.OpenAPI, text *texts) {
	text.fill(&d.Info.Description)
	for _, op := range operationsOf(d) {
		text.fill(&op.Description)
		for _, p := range op.Parameters {
			text.fill(&p.Description)
		}
		for _, r := range op.Responses {
			text.fill(&r.Description)
		}
	}
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
