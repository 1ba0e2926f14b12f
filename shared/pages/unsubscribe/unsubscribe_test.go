package unsubscribe_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/mail/unsubscribe"
	"portico/shared/observe"
	pages "portico/shared/pages/unsubscribe"
	"portico/shared/secret"
)

type fixture struct {
	t       *testing.T
	box     *secret.Box
	clock   *clock.Clock
	choice  unsubscribe.Choice
	stopped []unsubscribe.Choice
	broken  error
	server  *httptest.Server
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: clock.New(0)}
	var err error
	if f.box, err = secret.Parse(fmt.Appendf(nil, `{"current":"1","1":%q}`, rand.Text()+rand.Text())); err != nil {
		t.Fatal(err)
	}
	f.choice = unsubscribe.Choice{Org: id.New[id.Org](f.clock.Now()), Recipient: "ada@example.com", Category: "webhooks"}
	f.server = httptest.NewServer(&pages.Handler{Box: f.box, Clock: f.clock, Log: observe.NewLog(io.Discard, "test"), Stop: func(_ context.Context, c unsubscribe.Choice) error {
		if f.broken == nil {
			f.stopped = append(f.stopped, c)
		}
		return f.broken
	}})
	t.Cleanup(f.server.Close)
	return f
}

func (f *fixture) link() string { return unsubscribe.URL(f.server.URL, f.box, f.choice, f.clock.Now()) }

// call sends a request as a mail program does: without cookies, and without
// following a redirect.
func (f *fixture) call(method, address, contentType, body string, header ...string) (status int, page string, h http.Header) {
	f.t.Helper()
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if len(header) > 0 {
		r.Header.Set(header[0], header[1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	w, err := client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return w.StatusCode, string(text), w.Header
}

const form = "application/x-www-form-urlencoded"

// A scanner that opens the link as often as it likes, in any way that reads, changes
// nothing.
func TestScannersChangeNothing(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		for _, method := range []string{"GET", "HEAD"} {
			status, page, h := f.call(method, f.link(), "", "")
			if status != 200 || h.Get("Set-Cookie") != "" || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: %d %v", method, status, h)
			}
			if method == "GET" && (!strings.Contains(page, `<form method="post"><button name="List-Unsubscribe" value="One-Click">`) || !strings.Contains(page, "ada@example.com") || strings.Contains(page, "<script")) {
				t.Errorf("the page is\n%s", page)
			}
		}
		for _, method := range []string{"OPTIONS", "PUT", "DELETE", "PATCH"} {
			if status, _, _ := f.call(method, f.link(), form, "List-Unsubscribe=One-Click"); status != 405 {
				t.Errorf("%s: %d", method, status)
			}
		}
		for _, body := range []string{"", "List-Unsubscribe=Two", "x=y", strings.Repeat("x", 10_000) + "&List-Unsubscribe=One-Click"} {
			if status, _, _ := f.call("POST", f.link(), form, body); status != 400 {
				t.Errorf("POST of %.40q: %d", body, status)
			}
		}
		if status, _, _ := f.call("POST", f.link()+"?List-Unsubscribe=One-Click", form, ""); status != 400 {
			t.Errorf("the field in the address is accepted")
		}
	}
	if len(f.stopped) > 0 {
		t.Errorf("%v was stopped", f.stopped)
	}
}

// One POST as RFC 8058 describes it is enough, in both forms, and may be repeated.
func TestOneClick(t *testing.T) {
	f := newFixture(t)
	var parts strings.Builder
	w := multipart.NewWriter(&parts)
	if err := errors.Join(w.WriteField("List-Unsubscribe", "One-Click"), w.Close()); err != nil {
		t.Fatal(err)
	}
	link := f.link()
	for n, body := range []struct{ kind, text string }{
		{form, "List-Unsubscribe=One-Click"}, {w.FormDataContentType(), parts.String()}, {form, "List-Unsubscribe=One-Click"},
	} {
		status, page, h := f.call("POST", link, body.kind, body.text)
		if status != 200 || h.Get("Location") != "" || h.Get("Set-Cookie") != "" || !strings.Contains(page, "Done") {
			t.Errorf("%s: %d %v\n%s", body.kind, status, h, page)
		}
		if len(f.stopped) != n+1 || f.stopped[n] != f.choice {
			t.Errorf("%s: stopped %v", body.kind, f.stopped)
		}
	}
}

// Changed, foreign and old links have one answer, whether read or posted.
func TestOneAnswer(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	token := unsubscribe.Token(f.box, f.choice, f.clock.Now())
	var answers []string
	for _, link := range []string{
		f.server.URL + "/u/", f.server.URL + "/u/nonsense", f.server.URL + "/u/" + token[:len(token)-2] + "AA", f.server.URL + "/u/" + token + "/x", f.server.URL + "/",
		f.server.URL + "/u/" + unsubscribe.Token(other.box, other.choice, f.clock.Now()),
		f.server.URL + "/u/" + unsubscribe.Token(f.box, f.choice, f.clock.Now().AddDate(-2, 0, 0)),
	} {
		for _, method := range []string{"GET", "POST"} {
			status, page, h := f.call(method, link, form, "List-Unsubscribe=One-Click")
			h.Del("Date")
			answers = append(answers, fmt.Sprint(status, h, page))
			if status != 404 {
				t.Errorf("%s %s: %d", method, link, status)
			}
		}
	}
	if len(slices.Compact(answers)) != 1 || len(f.stopped) > 0 {
		t.Errorf("%d different answers, %d stopped", len(answers), len(f.stopped))
	}
}

// If the choice cannot be saved, the person is told, and the mail program may repeat.
func TestStoreAway(t *testing.T) {
	f := newFixture(t)
	f.broken = errors.New("relation does not exist")
	status, page, h := f.call("POST", f.link(), form, "List-Unsubscribe=One-Click")
	if status != 503 || h.Get("Retry-After") == "" || strings.Contains(page, "relation") {
		t.Errorf("%d %v\n%s", status, h, page)
	}
}

// The page speaks the browser's language.
func TestLanguage(t *testing.T) {
	f := newFixture(t)
	for accept, want := range map[string]string{"de-AT,de;q=0.9": "Abbestellen", "en": "Stop this mail", "": "Stop this mail", "fr": "Stop this mail"} {
		if _, page, _ := f.call("GET", f.link(), "", "", "Accept-Language", accept); !strings.Contains(page, want) {
			t.Errorf("%q: there is no %q in\n%s", accept, want, page)
		}
	}
}

// Each category has a name in each language: a template with another one shows that
// it is missing here.
func TestCategoriesHaveNames(t *testing.T) {
	f := newFixture(t)
	for _, tmpl := range template.All() {
		if f.choice.Category = tmpl.Category; tmpl.Category == "" {
			continue
		}
		for accept, other := range map[string]string{"en": "this subject", "de": "dieses Thema"} {
			if _, page, _ := f.call("GET", f.link(), "", "", "Accept-Language", accept); strings.Contains(page, other) {
				t.Errorf("%s has no name in %s", tmpl.Category, accept)
			}
		}
	}
}

// The link of a mail's header, its POST and the visible link are the same, and a mail
// program that follows RFC 8058 stops the mail with them.
func TestHeadersOfAMail(t *testing.T) {
	f := newFixture(t)
	link := unsubscribe.URL("https://portico.example.com", f.box, f.choice, f.clock.Now())
	set, err := template.Repository()
	if err != nil {
		t.Fatal(err)
	}
	r, err := set.Render(template.Content{Template: template.EndpointDisabled.Template, Data: template.EndpointDisabled.Samples[0].Data}, "en",
		template.Frame{Brand: template.Brand{Name: "Acme"}, Organization: "Acme", Unsubscribe: link})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := transport.Message{
		ID: "mail_1", At: f.clock.Now(), From: transport.Address{Address: "notices@mail.acme.example"}, To: transport.Address{Address: "ada@example.com"},
		Subject: r.Subject, HTML: r.HTML, Text: r.Text, Unsubscribe: link,
	}.MIME()
	if err != nil {
		t.Fatal(err)
	}
	message := strings.ReplaceAll(string(raw), "\r\n ", " ")
	if !strings.Contains(message, "<"+link+">") || !strings.Contains(message, "List-Unsubscribe-Post: List-Unsubscribe=One-Click") || !strings.Contains(r.HTML, link) || !strings.Contains(r.Text, link) {
		t.Errorf("a link is missing in\n%s", message)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, _ := f.call("POST", f.server.URL+u.Path, form, "List-Unsubscribe=One-Click"); status != 200 || len(f.stopped) != 1 {
		t.Errorf("%d, stopped %v", status, f.stopped)
	}
}

// The policy allows the style that the page has, or browsers would drop it.
func TestStyleIsAllowed(t *testing.T) {
	f := newFixture(t)
	_, page, h := f.call("GET", f.link(), "", "")
	_, rest, _ := strings.Cut(page, "<style>")
	style, _, found := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !found || !strings.Contains(h.Get("Content-Security-Policy"), want) {
		t.Errorf("the policy %s lacks %s", h.Get("Content-Security-Policy"), want)
	}
}
