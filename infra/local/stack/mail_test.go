package stack

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// The repository's templates are shown in the chosen form, and every choice is a
// link that keeps the others.
func TestPreviewPage(t *testing.T) {
	c := &control{stack: &Stack{root: "../../.."}}
	for query, wants := range map[string][]string{
		"?template=dead_deliveries&sample=many&locale=de&width=phone": {
			`<iframe sandbox title="HTML part" class="phone" srcdoc="`, "1204 Ereignisse", "<strong>dead_deliveries</strong>", "<strong>many</strong>", "<strong>de</strong>",
			`href="?form=HTML&amp;locale=en&amp;sample=many&amp;template=dead_deliveries&amp;width=phone"`,
		},
		"?template=member_added&form=text":   {"<pre>Acme\n", "Added by: Ada Lovelace"},
		"?template=member_added&form=source": {"<pre>From: &#34;Acme&#34;", "Content-Transfer-Encoding: quoted-printable"},
	} {
		w := httptest.NewRecorder()
		c.preview(w, httptest.NewRequest("GET", "/_local/mail"+query, nil))
		for _, want := range wants {
			if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %d, no %s in\n%s", query, w.Code, want, w.Body)
			}
		}
	}
}
