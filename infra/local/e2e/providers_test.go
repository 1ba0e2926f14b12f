package e2e

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"portico/infra/local/stacktest"
	"portico/shared/testkit"
)

// person is somebody who also has accounts elsewhere.
type person struct {
	*stacktest.Person
	t      *testing.T
	others *http.Client // for other sites; it stops where they send the browser back
}

func newPerson(t *testing.T) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	testkit.Must(t, err)
	p := stacktest.NewPerson(t, shared)
	return &person{p, t, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), p.At) {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

var leaving = regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]+)"`)

// leave uses the button of a provider, which posts to a path, and returns where that leads.
func (p *person) leave(path string) string {
	p.t.Helper()
	text := p.Open(http.MethodPost, path, nil)
	found := leaving.FindStringSubmatch(text)
	if found == nil {
		p.t.Fatalf("the page does not lead to the provider:\n%s", text)
	}
	return found[1]
}

// visit goes to a provider by the button, says there who the person is, and comes back.
func (p *person) visit(name string, who url.Values) string {
	p.t.Helper()
	return p.visitBy("/sign-in/"+name, who)
}

// visitBy does the same by the button that posts to a path.
func (p *person) visitBy(path string, who url.Values) string {
	p.t.Helper()
	form, err := p.others.Get(p.leave(path))
	testkit.Must(p.t, err)
	if text := p.Text(form); !strings.Contains(text, "Who are you?") {
		p.t.Fatalf("%s asks nothing: %s %s", path, form.Status, text)
	}
	back, err := p.others.PostForm(form.Request.URL.String(), who)
	testkit.Must(p.t, err)
	if text := p.Text(back); !strings.HasPrefix(back.Header.Get("Location"), p.At) {
		p.t.Fatalf("%s does not come back: %s %s", path, back.Status, text)
	}
	return p.Open(http.MethodGet, strings.TrimPrefix(back.Header.Get("Location"), p.At), nil)
}

// People sign up and in with what plays Google, which is npm's certified oidc-provider, and
// with the local GitHub, through the deployed binaries. GitHub runs no mailboxes, so who is
// new there proves the address by mail.
func TestProviders(t *testing.T) {
	t.Parallel()
	for name, email := range map[string]string{"google": "providers.test@gmail.com", "github": unique(t) + "@example.com"} {
		who := url.Values{"email": {email}, "proven": {"yes"}}
		p := newPerson(t)
		shows(t, p.Open(http.MethodGet, "/sign-in", nil), `action="/sign-in/`+name+`"`) // the button
		shows(t, p.visit(name, url.Values{"cancel": {"yes"}}), "You have cancelled")
		shows(t, p.visit(name, url.Values{"email": {email}}), "Your address is not proven there")
		if name == "github" { // which runs no mailboxes
			shows(t, p.visit(name, who), "Look into your mailbox")
			shows(t, p.Open(http.MethodPost, p.Mailed(email), url.Values{"name": {"Ada"}, "organization": {"Acme"}, "password": {"vanish quietly"}}), email)
			shows(t, p.Open(http.MethodPost, "/sign-out", nil), "E-mail address")
			shows(t, p.visit(name, who), "You have an account already")
			continue
		}
		shows(t, p.visit(name, who), "Complete your account")
		shows(t, p.Open(http.MethodPost, "/sign-up/complete", url.Values{"name": {"Ada"}, "organization": {"Acme"}}), email)
		shows(t, p.Open(http.MethodPost, "/sign-out", nil), "E-mail address")
		shows(t, p.visit(name, who), "Your account")
		shows(t, p.Open(http.MethodGet, "/account/linked", nil), "Remove")
	}
}

// A person of staff comes by the provider of the company, which npm's oidc-provider plays.
func TestStaffComesByCompany(t *testing.T) {
	t.Parallel()
	p, email := newPerson(t), "staff.test@gmail.com"
	who := url.Values{"email": {email}, "proven": {"yes"}}
	p.visit("google", who)
	shows(t, p.Open(http.MethodPost, "/sign-up/complete", url.Values{"name": {"Grace"}, "organization": {"Acme"}}), email)
	shows(t, p.visitBy("/admin/company", who), "You are not signed in")
	_, err := shared.Invoke(t.Context(), "bootstrap", []byte(`{"command":"set_staff","email":"`+email+`","name":"Grace Hopper","level":"operator"}`))
	testkit.Must(t, err)
	shows(t, p.visitBy("/admin/company", who), "You are Grace Hopper")
}
