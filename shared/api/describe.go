package api

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/api/account"
	"portico/shared/api/audit"
	"portico/shared/api/edge"
	"portico/shared/api/events"
	"portico/shared/api/invitations"
	"portico/shared/api/jobs"
	"portico/shared/api/keys"
	"portico/shared/api/limits"
	"portico/shared/api/mail"
	"portico/shared/api/oauth"
	"portico/shared/api/organizations"
	"portico/shared/api/people"
	"portico/shared/api/schedules"
	"portico/shared/api/sso"
	"portico/shared/api/staff"
	"portico/shared/api/stream"
	"portico/shared/api/system"
	"portico/shared/api/users"
	"portico/shared/api/webhooks"
)

const (
	title   = "Portico API"
	version = "1.0.0"
)

// tags are the areas of the API, in the order in which they are shown.
var tags = []*huma.Tag{
	{Name: events.Tag, Description: "Publish what happens in your product. Portico delivers each event to every webhook endpoint that subscribes to it."},
	{Name: stream.Tag, Description: "Consumers that read events with requests of their own."},
	{Name: webhooks.Tag, Description: "Set where events are delivered, how deliveries are signed and tried again, and see the result of each."},
	{Name: keys.Tag, Description: "The keys with which programs call this API."},
	{Name: oauth.Tag, Description: "Apps that call this API in the name of members, or of the organization that has registered them."},
	{Name: limits.Tag, Description: "How much callers may use, and limits of one API key or organization."},
	{Name: schedules.Tag, Description: "Exports of the audit log of each day or week, written to a bucket or announced by mail."},
	{Name: organizations.Tag, Description: "The organization itself: its name, settings and branding, and the host names that identify it."},
	{Name: invitations.Tag, Description: "Asking people to become members of the organization."},
	{Name: people.Tag, Description: "The members of the organization, and what each may do by role and resource grant."},
	{Name: sso.Tag, Description: "Single sign-on: connections to the organization's own identity provider."},
	{Name: account.Tag, Description: "The account of the person who calls: name, history, organizations and sessions."},
	{Name: audit.Tag, Description: "Who changed what, and when."},
	{Name: jobs.Tag, Description: "What Portico does in the background: its progress, and what has failed."},
	{Name: mail.Tag, Description: "What became of each mail, and which addresses get none. For staff."},
	{Name: users.Tag, Description: "Everybody who signs in, whom staff suspend and let in again. For staff."},
	{Name: staff.Tag, Description: "The people who run Portico, and for how long and why they may enter organizations."},
	{Name: system.Tag, Description: "The API's health and documentation. These requests need no key."},
}

var (
	describing sync.Once
	described  *huma.OpenAPI
	undescribe error
)

// describeAll returns the description of the whole API: a function serves some
// operations but documents all. It is made from the types against which huma
// checks requests, and adds what huma leaves out.
func describeAll() (*huma.OpenAPI, error) {
	describing.Do(func() {
		whole := &edge.Server{}
		if _, undescribe = whole.Handler(All()...); undescribe == nil {
			described = whole.OpenAPI()
			described.Info = &huma.Info{Title: title, Version: version, Description: "#about"}
			described.Servers = []*huma.Server{{URL: "/", Description: "The server that serves this description."}}
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

// complete adds to huma's description what huma does not know.
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

// fillOperations replaces headings by their texts, except in schemas.
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
