package doctest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"portico/infra/local/stacktest"
)

// The pages for signing in are readable with a keyboard, a screen reader or a phone, and
// work without script; also when they refuse a form. The browser finds no fault with
// their policy.
func TestSignInPagesAreAccessible(t *testing.T) {
	for _, width := range widths {
		for _, page := range []string{"/sign-in", "/sign-up", "/sign-up/sent", "/reset", "/reset/sent", "/reset/done", "/sign-out", "/admin"} {
			t.Run(fmt.Sprint(width, page), func(t *testing.T) {
				b := newTab(t, width, true)
				b.do(chromedp.Navigate(running.URL+page), chromedp.WaitVisible(chromedp.CSS("h1")))
				for _, v := range b.violations() {
					t.Errorf("%s (%s): %s\n%.500v", v.ID, v.Impact, v.Help, v.Nodes)
				}
				b.wantNoOverflow()
			})
		}
	}
	b := newTab(t, 390, false)
	b.do(chromedp.Navigate(running.URL+"/sign-up"), chromedp.SendKeys(chromedp.CSS("#email"), "ada-"+strings.ToLower(t.Name())+"@example.com"),
		chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.CSS(".note")))
	b.wantNoOverflow()
}

// So are the pages of a person who has signed up.
func TestAccountPagesAreAccessible(t *testing.T) {
	for _, width := range widths {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			b, email := newTab(t, width, true), fmt.Sprintf("grace-%d@example.com", width)
			person := stacktest.NewPerson(t, running)
			b.do(chromedp.Navigate(person.At+"/sign-up"), chromedp.SendKeys(chromedp.CSS("#email"), email),
				chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.CSS(".note")))
			b.do(chromedp.Navigate(person.At+person.Mailed(email)), chromedp.SendKeys(chromedp.CSS("#name"), "Grace"),
				chromedp.SendKeys(chromedp.CSS("#organization"), "Acme"), chromedp.SendKeys(chromedp.CSS("#password"), "vanish quietly"),
				chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.CSS("ul.list")))
			for _, page := range []string{"", "/organizations", "/address", "/password", "/apps", "/linked", "/totp", "/passkeys"} {
				b.do(chromedp.Navigate(person.At+"/account"+page), chromedp.WaitVisible(chromedp.CSS("h1")))
				for _, v := range b.violations() {
					t.Errorf("/account%s: %s (%s): %s\n%.500v", page, v.ID, v.Impact, v.Help, v.Nodes)
				}
				b.wantNoOverflow()
			}
		})
	}
}

// So are the pages behind a set-up link: before it is opened, for each protocol, with a field
// that is marked, with a trace, and when the link works no more.
func TestSetUpPagesAreAccessible(t *testing.T) {
	c, person := stacktest.NewCustomer(t, running), stacktest.NewPerson(t, running)
	for _, width := range widths {
		for kind, wrong := range map[string][]string{"oidc": {"#issuer", "https://127.0.0.1:1", "#client_id", "us", "#client_secret", "s3cret"}, "saml": {"#metadata", "no metadata"}} {
			t.Run(fmt.Sprint(width, kind), func(t *testing.T) {
				b := newTab(t, width, true)
				b.refused = true
				look := func(page string) {
					t.Helper()
					for _, v := range b.violations() {
						t.Errorf("%s: %s (%s): %s\n%.500v", page, v.ID, v.Impact, v.Help, v.Nodes)
					}
					b.wantNoOverflow()
				}
				var made struct{ ID, URL string }
				c.Do("POST", "/v1/sso-connections", `{"type":"`+kind+`","name":"Okta"}`, http.StatusCreated, &made)
				c.Do("POST", "/v1/sso-connections/"+made.ID+"/setup-link", "", http.StatusCreated, &made)
				_, link, _ := strings.Cut(made.URL, "/sso-setup")
				b.do(chromedp.Navigate(person.At+"/sso-setup"+link), chromedp.WaitVisible(chromedp.CSS("h1")))
				look("the link")
				b.do(chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.CSS("ul.list")))
				look("the page")
				for i := 0; i < len(wrong); i += 2 {
					b.do(chromedp.SendKeys(chromedp.CSS(wrong[i]), wrong[i+1]))
				}
				if b.do(chromedp.Click(chromedp.CSS("button"))); kind == "saml" {
					b.do(chromedp.WaitVisible(chromedp.CSS(".fault")))
					look("a fault")
				} else {
					test := chromedp.CSS("form[action='/sso-setup/test'] button")
					b.do(chromedp.WaitVisible(test), chromedp.Click(test), chromedp.WaitVisible(chromedp.CSS("ul.list + h2 + ul.list, ul.list ~ ul.list")))
					look("a trace")
				}
				b.do(chromedp.Navigate(person.At+"/sso-setup"+link), chromedp.WaitVisible(chromedp.CSS("h1")))
				look("a used link")
			})
		}
	}
}
