package stacktest

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portico/shared/testkit"
)

// Person is somebody with a browser who uses the pages of a stack. Its cookies are kept by
// hand, because Go's jar sends Secure ones with TLS only, and browsers also to localhost.
type Person struct {
	At      string // where the pages are
	t       *testing.T
	stack   Stack
	cookies map[string]string
}

// NewPerson returns somebody whom the stack does not know.
func NewPerson(t *testing.T, s Stack) *Person {
	return &Person{strings.TrimSuffix(s.SignInURL(), "/sign-in"), t, s, map[string]string{}}
}

// Open gets a page, or sends a form to it, and follows where it leads.
func (p *Person) Open(method, path string, form url.Values) string {
	p.t.Helper()
	to, text := p.send(method, path, form)
	if to != "" {
		return p.Open(http.MethodGet, to, nil)
	}
	return text
}

// Leave sends a form to a page and returns the address to which it leads.
func (p *Person) Leave(path string, form url.Values) (to string) {
	p.t.Helper()
	to, text := p.send(http.MethodPost, path, form)
	if to == "" {
		p.t.Fatalf("%s leads nowhere:\n%s", path, text)
	}
	return to
}

// send returns where a page leads, or its text.
func (p *Person) send(method, path string, form url.Values) (to, text string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.At+path, strings.NewReader(form.Encode()))
	testkit.Must(p.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range p.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w, err := http.DefaultTransport.RoundTrip(r)
	testkit.Must(p.t, err)
	defer func() { _ = w.Body.Close() }()
	for _, c := range w.Cookies() {
		p.cookies[c.Name] = c.Value
	}
	return w.Header.Get("Location"), p.Text(w)
}

// Text returns the text of a page.
func (p *Person) Text(w *http.Response) string {
	p.t.Helper()
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(w.Body)
	testkit.Must(p.t, err)
	return html.UnescapeString(string(text))
}

var signUpLink = regexp.MustCompile(`/sign-up/confirm\?token=[\w-]+`)

// Mailed returns the page behind the link of sign-up that an address was sent.
func (p *Person) Mailed(email string) (path string) {
	p.t.Helper()
	testkit.Await(p.t, "the mail", func() bool {
		for _, m := range p.stack.Mailbox().List() {
			if slices.Contains(m.To, email) {
				path = signUpLink.FindString(m.Text)
			}
		}
		return path != ""
	})
	return path
}
