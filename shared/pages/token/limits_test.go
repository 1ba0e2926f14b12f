package token_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/auth"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/oauth"
	"portico/shared/observe"
	"portico/shared/pages/token"
	"portico/shared/pg"
	"portico/shared/signingkey"
	"portico/shared/testkit"
)

// bench is the endpoints with limits: ten requests at once of an app, and five refused ones a minute
// of an address.
type bench struct {
	t       *testing.T
	db      *testkit.Database
	handler *token.Handler
	grants  atomic.Int32 // calls of DynamoDB for grants
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, db: testkit.DB(t)}
	endpoint := testkit.DynamoDBEndpoint(t)
	_, identities := testkit.SortedTable(t, endpoint)
	client, counts := testkit.Table(t, endpoint, "id")
	counted := testkit.DynamoDBThrough(t, endpoint, func(string, string) bool { b.grants.Add(1); return false })
	limits, err := limit.NewPolicies(map[string]int64{
		"requests": 5, "expensive_requests": 1000, "work": 1000, "organization_requests": 1000, "organization_work": 1000, "refused_requests": 5,
	})
	testkit.Must(t, err)
	settings := limit.Settings{Policies: limits, Budget: time.Minute}
	items := func(scope limit.Scope) *limit.Items {
		return &limit.Items{Settings: settings.Of(scope), Table: dynamo.NewTable(client, counts, "id"), Expires: true, Now: b.db.Clock.Now}
	}
	apps := &oauth.Apps{
		Grants:  oauth.NewStore(dynamo.NewSorted(counted, identities, "pk", "sk"), testkit.Box(t), b.db.Clock),
		Clients: oauth.NewClients(b.db.App, b.db.Clock), Resource: "https://portico.example.com",
	}
	b.handler = &token.Handler{
		Desk: &oauth.Desk{Apps: apps, DB: b.db.App, Clock: b.db.Clock, Keys: &signingkey.Ring{DB: b.db.App, Box: testkit.Box(t), Clock: b.db.Clock}}, Addresses: items(limit.ByAddress), Apps: items(limit.ByKey), Log: observe.NewLog(&testkit.Log{}, "test"),
	}
	return b
}

// register returns the id and secret of a new app.
func (b *bench) register(kind string) (client, secret string) {
	b.t.Helper()
	c := oauth.Client{Name: "Invoices", Kind: kind, RedirectURIs: []string{}, Permissions: []auth.Permission{auth.EventsRead}}
	secret = c.Register(b.db.Clock.Now())
	org := b.db.NewOrg(b.t)
	b.db.InOrg(b.t, org, func(ctx context.Context, tx pg.Tx) error { return oauth.Insert(ctx, tx, org, c) })
	return c.ID.String(), secret
}

// post sends a form from an address and returns the status.
func (b *bench) post(from, path string, fields ...string) int {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = from + ":1234"
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	if w.Code == http.StatusTooManyRequests && (w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "temporarily_unavailable")) {
		b.t.Errorf("a refusal: %v %s", w.Header(), w.Body)
	}
	return w.Code
}

func (b *bench) forItself(from, client, secret string) int {
	return b.post(from, token.Path, "grant_type", "client_credentials", "client_id", client, "client_secret", secret)
}

// flood sends a request many times, and fails unless in the end it is refused for the limit.
func (b *bench) flood(send func(n int) int) {
	b.t.Helper()
	last := 0
	for n := range 15 {
		last = send(n)
	}
	if last != http.StatusTooManyRequests {
		b.t.Errorf("a flood gets %d", last)
	}
}

const (
	customer = "192.0.2.1"
	attacker = "198.51.100.1"
)

// An app that asks too often is refused, and no other app with it.
func TestFloodOfAnApp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	client, secret := b.register(oauth.Web)
	other, others := b.register(oauth.Web)
	b.flood(func(int) int { return b.forItself(customer, client, secret) })
	if status := b.forItself(customer, other, others); status != 200 {
		t.Errorf("another app: %d", status)
	}
	b.db.Clock.Advance(time.Minute)
	if status := b.forItself(customer, client, secret); status != 200 {
		t.Errorf("later: %d", status)
	}
}

// Who names an app without its secret uses up nothing of the app's, but what their own
// address has. Of an app without a secret each address has its own limit.
func TestFloodInAnothersName(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	client, secret := b.register(oauth.Web)
	native, _ := b.register(oauth.Native)
	b.flood(func(int) int { return b.forItself(attacker, client, "x") })
	if status := b.forItself(attacker, client, secret); status != 200 { // with the secret, from the same network
		t.Errorf("from the same address: %d", status)
	}
	revoke := func(from string) int { return b.post(from, token.RevokePath, "client_id", native, "token", "x") }
	b.flood(func(int) int { return revoke("198.51.100.2") })
	for name, status := range map[string]int{"with a secret": b.forItself(customer, client, secret), "without": revoke(customer)} {
		if status != 200 {
			t.Errorf("%s, from another address: %d", name, status)
		}
	}
}

// What was never an app or a token costs no call of DynamoDB, and once its address is over
// the limit no statement either.
func TestJunkCostsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	client, secret := b.register(oauth.Web)
	junk := "ptr_" + strings.Repeat("A", 86)
	for _, one := range [][]string{
		{token.Path, "grant_type", "refresh_token", "refresh_token", junk}, {token.Path, "grant_type", "authorization_code", "code", "pta_" + junk},
		{token.IntrospectPath, "token", junk}, {token.RevokePath, "token", "pto_x"},
	} {
		b.db.Clock.Advance(time.Minute)
		if status := b.post(customer, one[0], append(one[1:], "client_id", client, "client_secret", secret)...); status >= 500 {
			t.Errorf("%v: %d", one, status)
		}
	}
	if n := b.grants.Load(); n != 0 {
		t.Errorf("%d calls of DynamoDB", n)
	}
	unknown := func(int) int { return b.forItself(attacker, id.New[id.OAuthClient](b.db.Clock.Now()).String(), "x") }
	b.flood(unknown)
	b.db.App.Close()
	for _, status := range []int{unknown(0), b.post(attacker, token.Path, "client_id", "x")} {
		if status != http.StatusTooManyRequests {
			t.Errorf("over the limit: %s", fmt.Sprint(status))
		}
	}
}
