package e2e

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portico/shared/testkit"
)

// person is a browser. Its cookies of the product are kept by hand, because Go's jar sends
// Secure ones with TLS only, and browsers also to localhost.
type person struct {
	t       *testing.T
	at      string // where the pages are
	cookies map[string]string
	others  *http.Client // for other sites; it stops where they send the browser back
}

func newPerson(t *testing.T) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	testkit.Must(t, err)
	at := strings.TrimSuffix(shared.SignInURL(), "/sign-in")
	return &person{t, at, map[string]string{}, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), at) {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

// open gets a page, or sends a form to it, and follows where it leads.
func (p *person) open(method, path string, form url.Values) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.at+path, strings.NewReader(form.Encode()))
	testkit.Must(p.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range p.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w, err := http.DefaultTransport.RoundTrip(r)
	testkit.Must(p.t, err)
	for _, c := range w.Cookies() {
		p.cookies[c.Name] = c.Value
	}
	if to := w.Header.Get("Location"); to != "" {
		_ = w.Body.Close()
		return p.open(http.MethodGet, to, nil)
	}
	return p.text(w)
}

func (p *person) text(w *http.Response) string {
	p.t.Helper()
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(w.Body)
	testkit.Must(p.t, err)
	return html.UnescapeString(string(text))
}

var leaving = regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]+)"`)

// visit goes to a provider by the button, says there who the person is, and comes back.
func (p *person) visit(name string, who url.Values) string {
	p.t.Helper()
	found := leaving.FindStringSubmatch(p.open(http.MethodPost, "/sign-in/"+name, nil))
	if found == nil {
		p.t.Fatal("the page does not lead to the provider")
	}
	form, err := p.others.Get(found[1])
	testkit.Must(p.t, err)
	if text := p.text(form); !strings.Contains(text, "Who are you?") {
		p.t.Fatalf("%s asks nothing: %s %s", name, form.Status, text)
	}
	back, err := p.others.PostForm(form.Request.URL.String(), who)
	testkit.Must(p.t, err)
	if text := p.text(back); !strings.HasPrefix(back.Header.Get("Location"), p.at) {
		p.t.Fatalf("%s does not come back: %s %s", name, back.Status, text)
	}
	return p.open(http.MethodGet, strings.TrimPrefix(back.Header.Get("Location"), p.at), nil)
}

var signUpLink = regexp.MustCompile(`/sign-up/confirm\?token=[\w-]+`)

// mailed returns the page behind the link of sign-up that an address was sent.
func (p *person) mailed(email string) (path string) {
	p.t.Helper()
	testkit.Await(p.t, "the mail", func() bool {
		for _, m := range shared.Mailbox().List() {
			if slices.Contains(m.To, email) {
				path = signUpLink.FindString(m.Text)
			}
		}
		return path != ""
	})
	return path
}

// People sign up and in with what plays Google, which is npm's certified oidc-provider, and
// with the local GitHub, through the deployed binaries. GitHub runs no mailboxes, so who is
// new there proves the address by mail.
func TestProviders(t *testing.T) {
	t.Parallel()
	for name, email := range map[string]string{"google": "providers.test@gmail.com", "github": unique(t) + "@example.com"} {
		shows := func(text, want string) {
			t.Helper()
			if !strings.Contains(text, want) {
				t.Fatalf("%s: no %q in\n%s", name, want, text)
			}
		}
		who := url.Values{"email": {email}, "proven": {"yes"}}
		p := newPerson(t)
		shows(p.visit(name, url.Values{"cancel": {"yes"}}), "You have cancelled")
		shows(p.visit(name, url.Values{"email": {email}}), "Your address is not proven there")
		if name == "github" { // which runs no mailboxes
			shows(p.visit(name, who), "Look into your mailbox")
			shows(p.open(http.MethodPost, p.mailed(email), url.Values{"name": {"Ada"}, "organization": {"Acme"}, "password": {"vanish quietly"}}), email)
			shows(p.open(http.MethodPost, "/sign-out", nil), "E-mail address")
			shows(p.visit(name, who), "You have an account already")
			continue
		}
		shows(p.visit(name, who), "Complete your account")
		shows(p.open(http.MethodPost, "/sign-up/complete", url.Values{"name": {"Ada"}, "organization": {"Acme"}}), email)
		shows(p.open(http.MethodPost, "/sign-out", nil), "E-mail address")
		shows(p.visit(name, who), "Your account")
		shows(p.open(http.MethodGet, "/account/linked", nil), "Remove")
	}
}
