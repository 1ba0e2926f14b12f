package doctest

import (
	"fmt"
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
