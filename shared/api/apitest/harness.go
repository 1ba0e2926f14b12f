package api_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5"

	local "portico/infra/local/aws"
	"portico/shared/api"
	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/domain"
	"portico/shared/egress"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/queue"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// harness is the whole API on real stores.
type harness struct {
	*testkit.Database
	t       *testing.T
	edge    *api.Server
	handler http.Handler
	keys    *apikey.Projection
	table   string              // where keys lies
	names   *testkit.NameServer // where domains are proven
	nudges  *local.Queue
	lines   *lines

	auditing *sync.Mutex // guards auditor
	auditor  *pgx.Conn   // reads the audit log after every call
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{Database: testkit.DB(t), t: t, lines: &lines{}, auditing: &sync.Mutex{}}
	client, keyTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	_, dueTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	_, domainTable := testkit.Table(t, testkit.DynamoDBEndpoint(t), "name")
	h.keys, h.table = apikey.NewProjection(client, keyTable, h.App, h.Clock), keyTable

	auditor, err := pgx.ConnectConfig(context.Background(), h.Admin.Config())
	if err != nil {
		t.Fatal(err)
	}
	h.auditor = auditor
	t.Cleanup(func() { _ = auditor.Close(context.Background()) })
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	services, err := local.NewServer(local.Options{Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = services
	h.nudges = services.AddQueue("dispatch", local.DefaultQueueAttributes())
	policy, err := egress.ParsePolicy("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	h.edge = &api.Server{
		Services: api.Services{
			DB: h.App, Keys: h.keys, Box: testkit.Box(t), Egress: policy, SourceIPs: []string{"192.0.2.1", "192.0.2.2"}, Clock: h.Clock,
		},
		Log: observe.NewLog(h.lines, "test"),
		Wakers: map[string]*webhook.Waker{pg.Home: {
			Database: pg.Home, Due: webhook.NewDue(client, dueTable, pg.Home, h.Clock),
			Nudge: queue.NewSender(sqs.NewFromConfig(testkit.AWS(server.URL)), services.QueueURL("dispatch")),
		}},
	}
	h.names = testkit.NewNameServer(t)
	h.edge.Hosts = domain.NewHosts(client, domainTable, "portico.example", h.Clock)
	h.edge.Hosts.Resolver = h.names.Resolver()
	if h.handler, err = h.edge.Handler(api.All()...); err != nil {
		t.Fatal(err)
	}
	return h
}

// newWaker lets the next publish nudge: only the first in a second does.
func (h *harness) newWaker() {
	w := h.edge.Wakers[pg.Home]
	h.edge.Wakers[pg.Home] = &webhook.Waker{Database: w.Database, Due: w.Due, Nudge: w.Nudge}
}

// caller calls the API with one key.
type caller struct {
	*harness
	key string
	org id.Org
}

// org creates an organization and returns a caller with every permission.
func (h *harness) org(name string) caller {
	h.t.Helper()
	made, err := jobs.Bootstrap{DB: h.App, Keys: h.keys, Clock: h.Clock}.CreateOrganization(context.Background(), jobs.CreateOrganization{Name: name})
	if err != nil {
		h.t.Fatal(err)
	}
	org, err := id.Parse[id.Org](made.OrganizationID)
	if err != nil {
		h.t.Fatal(err)
	}
	return caller{harness: h, key: made.APIKey, org: org}
}

// with returns a caller of the same organization with these permissions only.
func (c caller) with(permissions ...auth.Permission) caller {
	c.t.Helper()
	ctx := context.Background()
	plain := apikey.Generate()
	hash, err := apikey.Parse(plain)
	if err != nil {
		c.t.Fatal(err)
	}
	now := c.Clock.Now()
	key := apikey.APIKey{ID: id.New[id.APIKey](now), Name: "narrow", Permissions: permissions, CreatedAt: now}
	if err := c.App.InOrg(ctx, c.org, func(tx pg.Tx) error { return apikey.Insert(ctx, tx, c.org, key, hash) }); err != nil {
		c.t.Fatal(err)
	}
	if err := c.keys.Project(ctx, c.org, key, hash); err != nil {
		c.t.Fatal(err)
	}
	c.key = plain
	return c
}

// times are the times of a reply, in whichever form; oneForm is how all of them
// are written.
var (
	times   = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:[^"]*"`)
	oneForm = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"`)
)

// do sends a request; headers are name, value, name, value …
func (c caller) do(method, path, body string, headers ...string) reply {
	c.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r = r.WithContext(observe.WithRequestID(r.Context(), "req-1"))
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("User-Agent", fmt.Sprintf("test/%d;", calls.Add(1))) // tells the call's audit entries
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	c.checkAgainstDescription(r, w)
	c.checkRecord(r, w)
	for _, at := range times.FindAllString(w.Body.String(), -1) {
		if !oneForm.MatchString(at) {
			c.t.Errorf("%s %s answered the time %s, whose form is not that of all others", method, path, at)
		}
	}
	return reply{status: w.Code, header: w.Header(), body: w.Body.String()}
}

// lines keeps log lines.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
