package saml_test

import (
	"context"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"portico/infra/local/samlidp"
	"portico/shared/account"
	"portico/shared/account/assertion"
	"portico/shared/captcha"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pages"
	"portico/shared/pages/saml"
	"portico/shared/pg"
	"portico/shared/signin"
	"portico/shared/sso"
	"portico/shared/testkit"
)

// stage is a running site with its stores, and a provider.
type stage struct {
	t        *testing.T
	db       *testkit.Database
	clock    *clock.Clock
	items    dynamo.Sorted
	desk     *assertion.Desk
	provider *samlidp.Provider
	url      string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	db := testkit.DB(t)
	client, table := testkit.SortedTable(t, testkit.DynamoDBEndpoint(t))
	s := &stage{t: t, db: db, clock: db.Clock, items: dynamo.NewSorted(client, table, "pk", "sk")}
	s.desk = &assertion.Desk{Desk: &account.Desk{DB: db.App, Attempts: signin.NewStore(s.items, testkit.Box(t), db.Clock), Clock: db.Clock}}
	book, err := pages.NewBook(saml.Files())
	testkit.Must(t, err)
	never := func(context.Context, netip.Addr, string, int64, time.Duration) (bool, error) { return false, nil }
	frame := &pages.Frame{Log: observe.NewLog(&testkit.Log{}, "test"), Book: book, Gate: captcha.Gate{Count: never}}
	handler, err := frame.Handler((&saml.Site{Desk: s.desk}).Pages()...)
	testkit.Must(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s.url, s.desk.Public = server.URL, server.URL
	public, err := url.Parse(s.url)
	testkit.Must(t, err)
	frame.Hosts = pages.Hosts{Public: public, Org: func(context.Context, string) (id.Org, error) { return id.Org{}, nil }}
	s.provider = s.newProvider()
	return s
}

// newProvider starts a provider with a key of its own.
func (s *stage) newProvider() *samlidp.Provider {
	s.t.Helper()
	var serves http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serves.ServeHTTP(w, r) }))
	s.t.Cleanup(server.Close)
	key, err := samlidp.NewKey(time.Now().Add(-time.Hour))
	testkit.Must(s.t, err)
	p, err := samlidp.New(server.URL, s.url+"/saml/", key)
	testkit.Must(s.t, err)
	serves = p
	return p
}

// connect gives a new organization an active connection to the provider.
func (s *stage) connect() sso.Found {
	s.t.Helper()
	now := s.clock.Now()
	org, of := s.db.NewOrg(s.t), id.New[id.SSOConnection](now)
	s.db.Insert(s.t, "sso_connection", testkit.Row{
		"org_id": org, "id": of, "type": "saml", "name": "Okta", "status": "active", "predefined": "viewer", "domains": []string{"acme.example"},
		"issuer": s.provider.Issuer(), "sso_url": s.provider.URL(), "certificates": []string{s.provider.Certificate()}, "created_at": now, "updated_at": now,
	})
	return s.find(of)
}

func (s *stage) find(of id.SSOConnection) sso.Found {
	s.t.Helper()
	found, err := sso.Find(s.t.Context(), s.db.App, of)
	testkit.Must(s.t, err)
	return found
}

// set changes a connection without anybody noticing.
func (s *stage) set(of sso.Found, what string) {
	s.t.Helper()
	s.db.Exec(s.t, `UPDATE sso_connection SET `+what+` WHERE id = $1`, of.ID)
}

// begin begins an attempt by a connection, and returns where its browser goes.
func (s *stage) begin(c sso.Found) (signin.Flow, string) {
	s.t.Helper()
	f, _, err := s.desk.Attempts.Begin(s.t.Context(), signin.Flow{Host: strings.TrimPrefix(s.url, "http://")})
	testkit.Must(s.t, err)
	to, err := s.desk.Begin(s.t.Context(), f, c)
	testkit.Must(s.t, err)
	return f, to
}

var field = regexp.MustCompile(`name="(SAMLResponse|RelayState)" value="([^"]*)"`)

// answer is what the provider's page posts after somebody has said there who they are.
func (s *stage) answer(to string) url.Values {
	s.t.Helper()
	w, err := http.PostForm(to, url.Values{"email": {"Ada@acme.example"}, "name": {"Ada Lovelace"}})
	testkit.Must(s.t, err)
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(w.Body)
	testkit.Must(s.t, err)
	found := url.Values{}
	for _, one := range field.FindAllStringSubmatch(string(text), -1) {
		found.Set(one[1], html.UnescapeString(one[2]))
	}
	if len(found) != 2 {
		s.t.Fatalf("the provider answers %s\n%s", w.Status, text)
	}
	return found
}

// changed is an answer whose XML is changed.
func changed(t *testing.T, form url.Values, change func(string) string) url.Values {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(form.Get("SAMLResponse"))
	testkit.Must(t, err)
	to := change(string(text))
	if to == string(text) {
		t.Fatalf("nothing is changed in\n%s", text)
	}
	return url.Values{"RelayState": form["RelayState"], "SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(to))}}
}

// page is an answer of ours.
type page struct {
	status         int
	text, location string
	header         http.Header
}

// post sends a response as a browser does that comes from the provider's page.
func (s *stage) post(of id.SSOConnection, form url.Values) page {
	s.t.Helper()
	return s.send(http.MethodPost, "/saml/"+of.String()+"/acs", form)
}

func (s *stage) send(method, path string, form url.Values) page {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(form.Encode()))
	testkit.Must(s.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://idp.example.com")
	w, err := http.DefaultTransport.RoundTrip(r)
	testkit.Must(s.t, err)
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(w.Body)
	testkit.Must(s.t, err)
	return page{w.StatusCode, html.UnescapeString(string(text)), w.Header.Get("Location"), w.Header}
}

// traces lists those of a connection, newest first.
func (s *stage) traces(of sso.Found) (list []sso.Trace) {
	s.t.Helper()
	s.db.InOrg(s.t, of.Org, func(ctx context.Context, tx pg.Tx) (err error) {
		list, err = sso.ListTraces(ctx, tx, of.Org, of.ID, id.SSOTrace{}, 100)
		return err
	})
	return list
}

var named = regexp.MustCompile(`"Subject":"([^"]*)"`)

// waits returns who waits in an attempt; "": nobody.
func (s *stage) waits(f signin.Flow) string {
	s.t.Helper()
	found, err := s.desk.Attempts.Named(s.t.Context(), f.ID(), f.Host)
	testkit.Must(s.t, err)
	if who := named.FindStringSubmatch(found.Asked); who != nil {
		return who[1]
	}
	return ""
}
