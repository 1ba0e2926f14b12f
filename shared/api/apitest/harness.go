// Package apitest serves the whole API on real stores to tests. It checks every
// call of every test: the reply matches its description, a mutation writes its
// audit entry, and all times have the same form.
package apitest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	local "portico/infra/local/aws"
	"portico/infra/local/aws/awstest"
	"portico/shared/api"
	"portico/shared/api/edge"
	"portico/shared/apikey"
	"portico/shared/audit/anchor"
	"portico/shared/auth"
	"portico/shared/claim"
	"portico/shared/dynamo"
	"portico/shared/hostname"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/limit"
	"portico/shared/limit/override"
	"portico/shared/mail/feedback"
	"portico/shared/member"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/queue"
	"portico/shared/session"
	"portico/shared/staff"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/fanout"
)

// Harness is the whole API on real stores.
type Harness struct {
	*testkit.Database
	T       *testing.T
	Server  *edge.Server
	Handler http.Handler
	Keys    *apikey.Projection
	table   string              // of Keys in DynamoDB
	limits  string              // the table of limits in DynamoDB
	apps    string              // the table Identity, with the grants of apps
	Names   *testkit.NameServer // answers the DNS queries that verify domains
	Nudges  *local.Queue
	Lines   *testkit.Log

	auditing *sync.Mutex // guards auditor
	auditor  *pgx.Conn   // reads the audit log after every call
}

// New returns a harness with empty stores.
func New(t *testing.T) *Harness {
	t.Helper()
	h := &Harness{Database: testkit.DB(t), T: t, Lines: &testkit.Log{}, auditing: &sync.Mutex{}}
	client, keyTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	_, dueTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	_, limitTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	_, domainTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "name")
	_, h.apps = testkit.SortedTable(t, testkit.DynamoDBEndpoint(t))
	h.Keys, h.table = apikey.NewProjection(client, keyTable, h.App, h.Clock), keyTable
	h.Keys.Overrides, h.limits = override.NewProjection(client, limitTable, h.Clock), limitTable

	h.auditor = testkit.Session(t, h.Admin.Config())
	var sender *queue.Sender
	h.Nudges, sender = awstest.Queue(t)
	exports := testkit.Bucket(t)
	h.Server = &edge.Server{
		Services: edge.Services{
			DB: h.App, Keys: h.Keys, Members: member.NewRights(h.App, h.Clock), Staff: staff.NewPeople(h.App, h.Clock), Box: testkit.Box(t), Egress: testkit.Loopback(t), SourceIPs: []string{"192.0.2.1", "192.0.2.2"}, Clock: h.Clock,
			Subscriptions: fanout.NewCache(), Jobs: kinds(t, h.App, exports), LinkTo: exports.Link, Limits: testkit.Limits(t),
		},
		Log: observe.NewLog(h.Lines, "test"),
		Wakers: map[string]*claim.Waker{pg.Home: {
			Database: pg.Home, Due: claim.NewDue(client, dueTable, webhook.Queue, pg.Home, h.Clock),
			Nudge: sender,
		}},
	}
	h.Limit(h.Server.Limits)
	h.Server.Report = (&feedback.Desk{DB: h.App, Wakers: h.Server.Wakers, Subscriptions: h.Server.Subscriptions, Clock: h.Clock, Log: h.Server.Log}).Apply
	h.Server.Apps = h.newApps(client)
	h.Names = testkit.NewNameServer(t)
	_, anchorTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	_, identityTable := testkit.SortedTable(t, testkit.DynamoDBEndpoint(t))
	h.Server.People, h.Server.Sessions = h.Identity, session.NewStore(dynamo.NewSorted(client, identityTable, "pk", "sk"), 2*time.Hour, h.Clock)
	h.Server.Anchors = anchor.NewTable(client, anchorTable)
	h.Server.Hosts = hostname.NewHosts(client, domainTable, "portico.example", h.Clock)
	h.Server.Hosts.Resolver = h.Names.Resolver()
	var err error
	h.Handler, err = h.Server.Handler(api.All()...)
	testkit.Must(t, err)
	h.DeploySchedules(h.Database)
	return h
}

// Limit sets the policies, for one environment, and forgets what was counted in
// memory.
func (h *Harness) Limit(policies limit.Policies) {
	h.Server.Limits = policies
	h.Keys.Limit(h.settings())
	h.Server.Counters = edge.NewCounters(h.items(h.limits, "id"), h.settings(), h.Clock)
}

// settings are those of one environment, which waits long: the machine may be slow.
func (h *Harness) settings() limit.Settings {
	return limit.Settings{Policies: h.Server.Limits, Environments: 1, Budget: time.Minute}
}

// NewWaker lets the next publish send a nudge; a waker sends at most one a second.
func (h *Harness) NewWaker() {
	w := h.Server.Wakers[pg.Home]
	h.Server.Wakers[pg.Home] = &claim.Waker{Queue: webhook.Queue, Database: w.Database, Due: w.Due, Nudge: w.Nudge}
}

// Caller calls the API with one key, or as one of those who have none.
type Caller struct {
	*Harness
	Key string
	Org id.Org
	// As is who calls, as a page that knows it from a session says; nil: the key's.
	As *auth.Caller
}

// Organization creates an organization and returns a caller with every permission.
func (h *Harness) Organization(name string) Caller {
	h.T.Helper()
	made, err := jobs.Bootstrap{DB: h.App, Keys: h.Keys, Clock: h.Clock}.CreateOrganization(context.Background(), jobs.CreateOrganization{Name: name})
	testkit.Must(h.T, err)
	org, err := id.Parse[id.Org](made.OrganizationID)
	testkit.Must(h.T, err)
	return Caller{Harness: h, Key: made.APIKey, Org: org}
}

// With returns a caller of the same organization with these permissions only.
func (c Caller) With(permissions ...auth.Permission) Caller {
	c.T.Helper()
	plain := apikey.Generate()
	hash, err := apikey.Parse(plain)
	testkit.Must(c.T, err)
	now := c.Clock.Now()
	key := apikey.APIKey{ID: id.New[id.APIKey](now), Name: "narrow", Permissions: permissions, CreatedAt: now}
	c.InOrg(c.T, c.Org, func(ctx context.Context, tx pg.Tx) error { return apikey.Insert(ctx, tx, c.Org, key, hash) })
	testkit.Must(c.T, c.Keys.Project(context.Background(), c.Org, key, nil, hash))
	c.Key = plain
	return c
}

// times finds the times of a reply in any form; oneForm is the only correct one.
var (
	times   = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:[^"\\]*"`)
	oneForm = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"`)
)

// Do sends a request. The headers are given as name, value, name, value, …
func (c Caller) Do(method, path, body string, headers ...string) Reply {
	c.T.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r = r.WithContext(observe.WithRequestID(r.Context(), "req-1"))
	if c.As != nil {
		r = r.WithContext(edge.As(r.Context(), *c.As))
	} else if c.Key != "" {
		r.Header.Set("Authorization", "Bearer "+c.Key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("User-Agent", fmt.Sprintf("test/%d;", calls.Add(1))) // finds the call's audit entries
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.Handler.ServeHTTP(w, r)
	c.checkAgainstDescription(r, w)
	c.checkRecord(r, w)
	for _, at := range times.FindAllString(w.Body.String(), -1) {
		if !oneForm.MatchString(at) && path != "/openapi.json" { // it has examples of requests
			c.T.Errorf("%s %s answered the time %s, which has not six digits of microseconds and a Z", method, path, at)
		}
	}
	return Reply{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
}
