package signin_test

import (
	"cmp"
	"context"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/account"
	"portico/shared/account/admin"
	"portico/shared/account/assertion"
	prepare "portico/shared/account/setup"
	"portico/shared/audit"
	"portico/shared/captcha"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/observe"
	"portico/shared/pages"
	adminsite "portico/shared/pages/admin"
	"portico/shared/pages/saml"
	"portico/shared/pages/setup"
	site "portico/shared/pages/signin"
	"portico/shared/passkey"
	"portico/shared/password"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/signingkey"
	"portico/shared/staff"
	"portico/shared/testkit"
)

// stage is a running site with its stores.
type stage struct {
	t      *testing.T
	db     *testkit.Database
	clock  *clock.Clock
	desk   *account.Desk
	site   *site.Site
	door   *admin.Desk // of staff
	apps   *oauth.Apps
	log    *testkit.Log
	server *httptest.Server
	frame  *pages.Frame
	items  dynamo.Sorted
	host   string            // by which browsers call it
	hosts  map[string]id.Org // those of organizations
}

// sent is one mail.
type sent struct {
	to, locale, template, link, device, code, change string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	db := testkit.DB(t)
	client, table := testkit.SortedTable(t, testkit.DynamoDBEndpoint(t))
	return (&stage{t: t, db: db, clock: db.Clock, items: dynamo.NewSorted(client, table, "pk", "sk")}).process(testkit.Box(t))
}

// process returns the site as another process has it, with the same stores and clock.
func (s stage) process(box *secret.Box) *stage {
	s.t.Helper()
	t, db, items := s.t, s.db, s.items
	s.log = &testkit.Log{}
	s.desk = &account.Desk{
		DB: db.App, People: db.Identity, Sessions: session.NewStore(items, 2*time.Hour, db.Clock), Attempts: signin.NewStore(items, box, db.Clock),
		Passwords: password.NewHasher(box), Box: box, Clock: db.Clock, Open: true,
	}
	s.apps = &oauth.Apps{Grants: oauth.NewStore(items, box, db.Clock), Clients: oauth.NewClients(db.App, db.Clock)}
	s.desk.Apps = &oauth.Desk{Apps: s.apps, DB: db.App, Clock: db.Clock, Keys: &signingkey.Ring{DB: db.App, Box: box, Clock: db.Clock}}
	s.site = &site.Site{Desk: s.desk, Sessions: s.desk.Sessions, Policies: account.NewPolicies(db.App, s.desk.Sessions, db.Clock), Clock: db.Clock, SAML: &assertion.Desk{Desk: s.desk}}
	own := *s.desk
	own.Sessions = session.NewStore(items, admin.Idle, db.Clock)
	s.door = &admin.Desk{Desk: &own, Staff: staff.NewPeople(db.App, db.Clock)}
	book, err := pages.NewBook(site.Files(), saml.Files(), setup.Files(), adminsite.Files())
	testkit.Must(t, err)
	never := func(context.Context, netip.Addr, string, int64, time.Duration) (bool, error) { return false, nil }
	s.frame = &pages.Frame{Log: observe.NewLog(s.log, "test"), Book: book, Gate: captcha.Gate{Count: never}}
	handler, err := s.frame.Handler(slices.Concat(s.site.Pages(), (&saml.Site{Desk: s.site.SAML}).Pages(), (&setup.Site{Desk: &prepare.Desk{Desk: s.desk, SAML: s.site.SAML, Base: "portico.example"}}).Pages(), (&adminsite.Site{Desk: s.door}).Pages())...)
	testkit.Must(t, err)
	s.server = httptest.NewServer(handler)
	t.Cleanup(s.server.Close)
	if s.host == "" {
		s.host = strings.Replace(strings.TrimPrefix(s.server.URL, "http://"), "127.0.0.1", "localhost", 1) // passkeys have no addresses
	}
	s.desk.Public = "http://" + s.host
	s.desk.Passkeys, err = passkey.NewSite(account.Issuer, s.desk.Public)
	testkit.Must(t, err)
	own.Public, own.Passkeys = s.desk.Public, s.desk.Passkeys
	s.apps.Resource = s.desk.Public
	public, err := url.Parse(s.desk.Public)
	testkit.Must(t, err)
	s.site.Hosts = pages.Hosts{Public: public, Org: func(_ context.Context, name string) (id.Org, error) { return s.hosts[name], nil }}
	s.frame.Hosts = s.site.Hosts
	return &s
}

// mails lists all mails, the oldest first.
func (s *stage) mails() (list []sent) {
	s.t.Helper()
	rows, err := s.db.Admin.Query(s.t.Context(), `SELECT id, recipient, locale, template, data FROM mail ORDER BY xmin::text::bigint`)
	testkit.Must(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var m sent
		var of id.Mail
		var sealed []byte
		testkit.Must(s.t, rows.Scan(&of, &m.to, &m.locale, &m.template, &sealed))
		plain, err := s.desk.Box.Open(sealed, "mail "+of.String())
		testkit.Must(s.t, err)
		var kept struct {
			Data struct {
				URL, Device, IP, Code, Change string
			}
		}
		testkit.Must(s.t, json.Unmarshal(plain, &kept))
		m.link, m.device, m.code, m.change = kept.Data.URL, kept.Data.Device, kept.Data.Code, kept.Data.Change
		list = append(list, m)
	}
	testkit.Must(s.t, rows.Err())
	return list
}

// mail returns the last mail.
func (s *stage) mail() sent {
	s.t.Helper()
	list := s.mails()
	if len(list) == 0 {
		s.t.Fatal("there is no mail")
	}
	return list[len(list)-1]
}

// browser keeps cookies as a browser does, and sends Secure ones to this machine without
// TLS, as browsers do for localhost.
type browser struct {
	stage   *stage
	cookies map[string]string
	headers map[string]string
	from    string // the address from which it comes; "": any of this machine
	at      string // the host that it calls; "": that of the site
}

func (s *stage) browser() *browser {
	return &browser{stage: s, cookies: map[string]string{}, headers: map[string]string{"Sec-Fetch-Site": "same-origin", "User-Agent": "X11; Linux Firefox/145.0"}}
}

// page is an answer.
type page struct {
	status   int
	location string
	text     string
	header   http.Header
}

func (b *browser) get(path string) page { return b.send(http.MethodGet, path, nil) }

// post sends a form; fields are names and values.
func (b *browser) post(path string, fields ...string) page {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.send(http.MethodPost, path, form)
}

func (b *browser) send(method, path string, form url.Values) page {
	t := b.stage.t
	t.Helper()
	address := strings.TrimPrefix(path, b.stage.desk.Public)
	r, err := http.NewRequestWithContext(t.Context(), method, b.stage.server.URL+address, strings.NewReader(form.Encode()))
	testkit.Must(t, err)
	r.Host = cmp.Or(b.at, b.stage.host)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.headers {
		r.Header.Set(name, value)
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(b.from)}}).DialContext, DisableKeepAlives: true}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	w, err := client.Do(r)
	testkit.Must(t, err)
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(w.Body)
	testkit.Must(t, err)
	for _, c := range w.Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("%s %s: the cookie %s", method, path, c)
		}
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	own := strings.Contains(w.Header.Get("Content-Security-Policy"), "script-src 'sha256-") && strings.Contains(string(text), "data-passkey")
	if runs := strings.Contains(string(text), "<script"); runs != (own || strings.Contains(string(text), "h-captcha")) {
		t.Errorf("%s %s has a script: %v; its policy is %s", method, path, runs, w.Header.Get("Content-Security-Policy"))
	}
	return page{w.StatusCode, w.Header.Get("Location"), html.UnescapeString(string(text)), w.Header}
}

// follow goes where a page leads.
func (b *browser) follow(p page) page {
	b.stage.t.Helper()
	if p.status != http.StatusSeeOther {
		b.stage.t.Fatalf("it leads nowhere: %d\n%s", p.status, p.text)
	}
	return b.get(p.location)
}

// shows fails unless a page has a status and a text.
func (s *stage) shows(p page, status int, text string) {
	s.t.Helper()
	if p.status != status || !strings.Contains(p.text, text) {
		s.t.Errorf("%d, want %d with %q:\n%s", p.status, status, text, main(p.text))
	}
}

// main is a page without its head.
func main(text string) string {
	_, text, _ = strings.Cut(text, "<main>")
	return text
}

const secretText = "vanish quietly"

// signUp makes an account and leaves the browser signed in.
func (b *browser) signUp(email string) {
	b.stage.t.Helper()
	b.stage.shows(b.follow(b.post("/sign-up", "email", email)), 200, "Look into your mailbox")
	link := b.stage.mail().link
	b.stage.shows(b.get(link), 200, email)
	b.stage.shows(b.follow(b.post(link, "name", "Ada", "organization", "Acme", "password", secretText)), 200, email)
}

// signIn signs in with a password, and returns what comes of it.
func (b *browser) signIn(email, text string) page {
	b.stage.t.Helper()
	b.stage.shows(b.follow(b.post("/sign-in", "email", email)), 200, "Enter your password")
	return b.post("/sign-in/password", "password", text)
}

var sessionForm = regexp.MustCompile(`name="session" value="(ses_[^"]+)"`)

// visitor is somebody without a browser.
var visitor = account.Visitor{Host: "127.0.0.1", Origin: audit.Origin{RequestID: "r"}}

func (s *stage) entrance() *signin.Entrance {
	return &signin.Entrance{Attempts: s.desk.Attempts, Sessions: s.desk.Sessions, People: s.desk.People, Clock: s.clock}
}
