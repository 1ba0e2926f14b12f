package doctest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"portico/infra/local/aws"
	"portico/infra/local/stacktest"
	"portico/shared/testkit"
)

// The pages of the local stack, with a webhook and a mail on them, are readable with a
// keyboard, a screen reader or a phone.
func TestLocalPagesAreAccessible(t *testing.T) {
	c := stacktest.NewCustomer(t, running)
	c.Do("POST", "/v1/members", `{"email":"ada.pages@example.com","name":"Ada","role":"developer"}`, http.StatusCreated, &struct{}{})
	var mail string
	testkit.Await(t, "the mail", func() bool {
		list := running.Mailbox().List()
		if i := slices.IndexFunc(list, func(m aws.Mail) bool { return slices.Contains(m.To, "ada.pages@example.com") }); i >= 0 {
			mail = list[i].ID
		}
		return mail != ""
	})
	pages := []string{"", "inbox", "mailbox", "mailbox/account", "mailbox/" + mail, "mailbox/" + mail + "?form=text", "mailbox/" + mail + "?form=source"}
	for _, form := range []string{"HTML", "text", "source"} {
		pages = append(pages, "mail?template=member_added&locale=de&form="+form, "mail?template=certificate_expiring&width=phone&form="+form)
	}
	for _, width := range []int{1280, 375} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			b := newTab(t, width, true)
			for _, page := range pages {
				b.do(chromedp.Navigate(running.URL+"/_local/"+page), chromedp.WaitVisible(chromedp.CSS("h1")))
				for _, v := range b.violations() {
					t.Errorf("/_local/%s: %s (%s): %s\n%.500v", page, v.ID, v.Impact, v.Help, v.Nodes)
				}
				if strings.Contains(get(b, chromedp.TextContent("body")), "cannot be rendered") {
					t.Errorf("/_local/%s shows an error", page)
				}
				if over := b.overflow(); over > 0 {
					t.Errorf("/_local/%s is %d px wider than the window", page, over)
				}
			}
		})
	}
}
