package pages_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"portico/shared/captcha"
	"portico/shared/dynamo"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pages"
)

var limit = captcha.Challenge{Name: "sample", After: 3, Window: time.Minute}

// site is a site with pages for tests.
type site struct {
	t     *testing.T
	log   bytes.Buffer
	frame *pages.Frame
	acted int
	over  bool // the address has sent too many forms
	url   string
}

var area = fstest.MapFS{
	"sample.html":   {Data: []byte(`{{define "content"}}<p>{{.Data}}</p><form method="post">{{template "input" .Input "email" "email" "username"}}{{template "input" .Input "password" "password" "current-password"}}{{template "captcha" .}}<button>{{t "button"}}</button></form>{{end}}`)},
	"broken.html":   {Data: []byte(`{{define "content"}}half a page {{t "no such text"}}{{end}}`)},
	"texts/en.json": {Data: []byte(`{"sample":"Sample","button":"Send","field.email":"Address","field.password":"Password","bad":"Look at this."}`)},
	"texts/de.json": {Data: []byte(`{"sample":"Beispiel","button":"Senden","field.email":"Adresse","field.password":"Passwort","bad":"Sehen Sie hier nach."}`)},
}

func (s *site) pages() []pages.Page {
	show := func(*pages.Visit) (pages.Answer, error) {
		return pages.Answer{View: "sample", Title: "sample", Data: `<script>alert("1")</script>`}, nil
	}
	act := func(v *pages.Visit) (pages.Answer, error) {
		s.acted++
		v.SetCookie("portico", "secret cookie", time.Hour)
		switch v.Form("email") {
		case "away":
			return pages.Answer{}, fault.ErrAway.Because(errors.New("the store is away"))
		case "fails":
			return pages.Answer{}, errors.New("relation does not exist")
		case "panics":
			panic("relation does not exist")
		case "broken":
			return pages.Answer{View: "broken", Title: "sample"}, nil
		case "bad":
			v.Mark("email", "bad")
			v.Mark("password", "bad")
			return v.Again(), nil
		}
		return v.Go(v.Form("to")), nil
	}
	return []pages.Page{
		{ID: "sample", Path: "/sample", Function: "sample", Show: show, Act: act, Limit: limit, Records: "sample.act"},
		{ID: "read", Path: "/sample/read", Function: "sample", Show: show},
		{ID: "act", Path: "/sample/act", Function: "sample", Act: act, Limit: limit, Records: "none: it is a sample"},
		{ID: "everywhere", Path: "/everywhere", Function: "sample", AtOrganizations: true, Act: act, Limit: limit, Records: "none: it is a sample", Show: func(v *pages.Visit) (pages.Answer, error) {
			return pages.Answer{View: "sample", Title: "sample", Data: "At " + v.Host() + " of " + v.Org().String()}, nil
		}},
		{ID: "foreign", Path: "/foreign/{connection}/in", Function: "sample", FromElsewhere: true, Limit: limit, Records: "none: it is a sample", Act: func(v *pages.Visit) (pages.Answer, error) {
			return v.Document("text/plain", []byte(v.Connection()+v.Cookie("portico")+strings.Join(v.Request.Header["Cookie"], " "))), nil
		}},
	}
}

func newSite(t *testing.T) *site {
	t.Helper()
	book, err := pages.NewBook(area)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t}
	count := func(context.Context, netip.Addr, string, int64, time.Duration) (bool, error) { return s.over, nil }
	s.frame = &pages.Frame{Log: observe.NewLog(&s.log, "test"), Book: book, Gate: captcha.Gate{Count: count}}
	handler, err := s.frame.Handler(s.pages()...)
	if err != nil {
		t.Fatal(err)
	}
	org := id.New[id.Org](time.Now())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(observe.WithRequestID(r.Context(), "request-1")))
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	public, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	s.frame.Hosts = pages.Hosts{Public: public, Org: func(_ context.Context, name string) (found id.Org, err error) {
		if name == "acme.example.com" {
			found = org
		}
		return found, nil
	}}
	return s
}

const form = "application/x-www-form-urlencoded"

// call sends a request; headers are names and values.
func (s *site) call(method, path, body string, headers ...string) (status int, page string, h http.Header) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", form)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	w, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return w.StatusCode, string(text), w.Header
}

// A page whose declaration is not complete does not start.
func TestIncompletePages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, change := range map[string]func(*pages.Page){
		"no id": func(p *pages.Page) { p.ID = "" }, "a bad id": func(p *pages.Page) { p.ID = "Sign in" },
		"no path": func(p *pages.Page) { p.Path = "" }, "a parameter": func(p *pages.Page) { p.Path = "/sample/{token}" },
		"no function": func(p *pages.Page) { p.Function = "" }, "no handler": func(p *pages.Page) { p.Show, p.Act = nil, nil },
		"no limit": func(p *pages.Page) { p.Limit = captcha.Challenge{} }, "a limit without number": func(p *pages.Page) { p.Limit.After, p.Limit.Window = 0, 0 },
		"no event": func(p *pages.Page) { p.Records = "" }, "no reason": func(p *pages.Page) { p.Records = "none: " },
		"a limit of reading": func(p *pages.Page) { p.Act = nil }, "declared twice": func(p *pages.Page) { p.ID = "read" },
		"one path twice": func(p *pages.Page) { p.Path = "/sample/read" },
	} {
		list := s.pages()
		change(&list[0])
		if _, err := (&pages.Frame{}).Handler(list...); err == nil {
			t.Errorf("%s: it starts", name)
		}
	}
	if _, err := (&pages.Frame{}).Handler(s.pages()...); err != nil {
		t.Error(err)
	}
}

// Every answer, whatever its status, has the headers that protect a page, and tells
// the request's id.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, tt := range []struct {
		method, path, body string
		want               int
		shows              string
	}{
		{"GET", "/sample", "", 200, "Sample"}, {"HEAD", "/sample", "", 200, ""}, {"GET", "/sample/read", "", 200, "Sample"},
		{"POST", "/sample", "to=/account", 303, ""}, {"POST", "/sample", "email=bad", 422, "Look at this."},
		{"GET", "/none", "", 404, "no page here"}, {"POST", "/none", "", 404, "no page here"}, {"GET", "/sample/", "", 404, "no page here"},
		{"GET", "/sample/act", "", 405, "like this"}, {"POST", "/sample/read", "", 405, "like this"}, {"PUT", "/sample", "", 405, "like this"}, {"DELETE", "/sample/act", "", 405, "like this"},
		{"POST", "/sample", "%zz", 400, "cannot be read"}, {"POST", "/sample", strings.Repeat("x", 64<<10+1), 413, "too large"},
		{"POST", "/sample", "email=away", 503, "at the moment"}, {"POST", "/sample", "email=fails", 500, "our mistake"},
		{"POST", "/sample", "email=panics", 500, "our mistake"}, {"POST", "/sample", "email=broken", 500, "our mistake"},
	} {
		name := fmt.Sprintf("%s %s %.20s", tt.method, tt.path, tt.body)
		status, page, h := s.call(tt.method, tt.path, tt.body)
		if status != tt.want || !strings.Contains(page, tt.shows) || strings.Contains(page, "relation") || strings.Contains(page, "half a page") || strings.Contains(page, "<script") {
			t.Errorf("%s: %d\n%s", name, status, page)
		}
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Vary": "Accept-Language", "X-Request-Id": "request-1",
		} {
			if h.Get(header) != want {
				t.Errorf("%s: %s: %q", name, header, h.Get(header))
			}
		}
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || !strings.HasSuffix(policy, "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'") || strings.Contains(policy, "script") {
			t.Errorf("%s: the policy is %s", name, policy)
		}
		if allow := map[string]string{"/sample": "GET, POST", "/sample/act": "POST", "/sample/read": "GET"}[tt.path]; status == 405 && h.Get("Allow") != allow {
			t.Errorf("%s: Allow: %s", name, h.Get("Allow"))
		}
		if fails := status >= 500; fails && (!strings.Contains(page, "request-1") || h.Get("Set-Cookie") != "") || (status == 503) != (h.Get("Retry-After") != "") {
			t.Errorf("%s: %v\n%s", name, h, page)
		}
	}
}

// A form that another site has made has no effect, in any browser that tells from
// where it comes; one of this site, and a program, have.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	host := strings.TrimPrefix(s.url, "http://")
	for _, tt := range []struct {
		want    int
		headers []string
	}{
		{403, []string{"Sec-Fetch-Site", "cross-site"}},
		{403, []string{"Sec-Fetch-Site", "same-site"}}, // another subdomain
		{403, []string{"Origin", "https://evil.example"}},
		{403, []string{"Origin", "null"}},
		{303, []string{"Sec-Fetch-Site", "same-origin"}},
		{303, []string{"Sec-Fetch-Site", "none"}},
		{303, []string{"Origin", "http://" + host}},
		{303, nil},
	} {
		for _, path := range []string{"/sample", "/sample/act"} {
			s.acted = 0
			if status, page, _ := s.call("POST", path, "to=/", tt.headers...); status != tt.want || (s.acted == 1) != (tt.want == 303) {
				t.Errorf("%s %v: %d, acted %d times\n%s", path, tt.headers, status, s.acted, page)
			}
		}
	}
}

// A page that is declared to takes forms of other sites, also large ones, and never sees a
// cookie.
func TestFromElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	large := "x=" + strings.Repeat("y", 500<<10)
	for _, body := range []string{"to=/", large} {
		status, text, h := s.call("POST", "/foreign/x1/in", body, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example", "Cookie", "__Host-portico=planted; other=planted")
		if status != 200 || text != "x1" || h.Get("Content-Type") != "text/plain" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%d %v\n%s", status, h, text)
		}
	}
	if status, _, _ := s.call("POST", "/foreign/x1/in", large+large); status != 413 {
		t.Errorf("a larger one: %d", status)
	}
	for _, path := range []string{"/foreign/x1", "/foreign//in/", "/foreign/x1/in/", "/foreign/x1/x", "/foreign/x/1/in", "/foreign"} {
		if status, _, _ := s.call("POST", path, "to=/"); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// Only a form as browsers send it is read.
func TestForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for kind, want := range map[string]int{
		form: 303, form + "; charset=utf-8": 303, "multipart/form-data; boundary=x": 415, "application/json": 415, "text/plain": 415, "": 415, "x/y; =": 415,
	} {
		if status, _, _ := s.call("POST", "/sample", "to=/", "Content-Type", kind); status != want {
			t.Errorf("%q: %d, want %d", kind, status, want)
		}
	}
	if status, _, _ := s.call("POST", "/sample?email=fails", "to=/"); status != 303 {
		t.Errorf("a field in the address is read: %d", status)
	}
}

// A refused form comes back with what was sent, except the password, and says at each
// field what is wrong, so that a screen reader says it too.
func TestRefusedForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	status, page, _ := s.call("POST", "/sample", "email=bad&password=hunter22")
	for _, want := range []string{`value="bad" aria-invalid="true" aria-describedby="email-fault"`, `id="email-fault">Look at this.`, `type="password" autocomplete="current-password" required aria-invalid="true" aria-describedby="password-fault"`, `<label for="password">`} {
		if !strings.Contains(page, want) {
			t.Errorf("%d: there is no %s in\n%s", status, want, page)
		}
	}
	if strings.Contains(page, "hunter22") || strings.Contains(s.log.String(), "hunter22") {
		t.Error("the password is shown")
	}
}

// Input is shown as text, never as markup.
func TestEscaping(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.over = false
	_, page, _ := s.call("POST", "/sample", "email=bad&email=%22%3E%3Cscript%3E")
	if !strings.Contains(page, "&lt;script&gt;alert(") || strings.Contains(page, "<script") {
		t.Error(page)
	}
}

// Cookies are ours alone: no other host sets them, no script and no form of another
// site reads or sends them. A redirect stays on this host.
func TestCookiesAndRedirects(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, _, h := s.call("POST", "/sample", "to=/account?x=1")
	if got := h.Get("Set-Cookie"); got != `__Host-portico="secret cookie"; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax` || h.Get("Location") != "/account?x=1" {
		t.Errorf("%s, to %s", got, h.Get("Location"))
	}
	for _, to := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, `\\evil.example`, "javascript:alert(1)", "account", "", "/%zz", "http:/account"} {
		if _, _, h := s.call("POST", "/sample", "to="+url.QueryEscape(to)); h.Get("Location") != "/" {
			t.Errorf("%s leads to %s", to, h.Get("Location"))
		}
	}
}

// An address that sends too many forms is refused before anything is done, and may go
// on reading.
func TestTooMany(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.over = true
	for _, path := range []string{"/sample", "/sample/act"} {
		status, page, h := s.call("POST", path, "to=/")
		if status != 429 || h.Get("Retry-After") != "60" || !strings.Contains(page, "Too many tries") || s.acted != 0 {
			t.Errorf("%s: %d, acted %d times\n%s", path, status, s.acted, page)
		}
	}
	if status, _, _ := s.call("GET", "/sample", ""); status != 200 {
		t.Errorf("reading: %d", status)
	}
}

// With a vendor, such an address gets its form back with a CAPTCHA, and only this
// answer lets the browser load the vendor's script.
func TestCaptcha(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.frame.Gate.Verifier = captcha.NewVerifier(captcha.Config{Vendor: captcha.Turnstile, SiteKey: "site key", Secret: "x"}, dynamo.Table{}, nil)
	s.over = true
	status, page, h := s.call("POST", "/sample", "email=ada%40example.com&to=/")
	policy := h.Get("Content-Security-Policy")
	if status != 429 || s.acted != 0 || !strings.Contains(page, `<div class="cf-turnstile" data-sitekey="site key" data-action="sample">`) ||
		!strings.Contains(page, `<script src="https://challenges.cloudflare.com/turnstile/v0/api.js"`) || !strings.Contains(page, "ada@example.com") ||
		!strings.Contains(policy, "script-src https://challenges.cloudflare.com;") {
		t.Errorf("%d %s, acted %d times\n%s", status, policy, s.acted, page)
	}
	if _, page, h := s.call("GET", "/sample", ""); strings.Contains(page, "<script") || strings.Contains(h.Get("Content-Security-Policy"), "cloudflare") {
		t.Errorf("without need: %v\n%s", h, page)
	}
}

// The pages speak the language that the browser likes best.
func TestLanguage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for accept, want := range map[string]string{
		"": "en", "en": "en", "de": "de", "DE-at": "de", "fr": "en", "fr,de;q=0.5,en;q=0.4": "de", "en;q=0.8,de;q=0.9": "de", "de;q=0,en;q=0.1": "en", ",;q=,=": "en",
	} {
		_, page, _ := s.call("GET", "/sample", "", "Accept-Language", accept)
		if title := map[string]string{"en": "Sample", "de": "Beispiel"}[want]; !strings.Contains(page, `<html lang="`+want+`">`) || !strings.Contains(page, title) {
			t.Errorf("%q: not %s", accept, want)
		}
	}
}

// One line per request tells the page and the cause, and nothing that a person sent.
func TestLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, tt := range []struct{ path, body, want string }{
		{"/sample?token=planted1", "email=fails&password=planted2", `"status":500,"page":"sample","path":"/sample","cause":"relation does not exist"`},
		{"/sample?token=planted1", "email=bad&password=planted2", `"status":422,"page":"sample","path":"/sample"`},
		{"/planted1@example.com", "", `"status":404`},
	} {
		s.log.Reset()
		s.call("POST", tt.path, tt.body, "Cookie", "__Host-portico=planted3")
		line := s.log.String()
		if !strings.Contains(line, tt.want) || strings.Count(line, "\n") != 1 || strings.Contains(line, "planted") || strings.Contains(line, "secret cookie") || !strings.Contains(line, `"request_id":"request-1"`) {
			t.Errorf("%s: %s", tt.path, line)
		}
	}
}

// Texts that differ between the languages do not start.
func TestTextsInEveryLanguage(t *testing.T) {
	t.Parallel()
	for name, german := range map[string]string{"one is missing": `{"sample":"Beispiel"}`, "one too many": `{"sample":"x","other":"x","bad":"x"}`, "an empty one": `{"sample":"x","bad":""}`, "no JSON": `{`} {
		some := fstest.MapFS{"texts/en.json": {Data: []byte(`{"sample":"Sample","bad":"Bad"}`)}, "texts/de.json": {Data: []byte(german)}}
		if _, err := pages.NewBook(some); err == nil {
			t.Errorf("%s: it starts", name)
		}
	}
}
