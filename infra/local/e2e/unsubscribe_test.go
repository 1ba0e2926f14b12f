package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/mail/unsubscribe"
	"portico/shared/testkit"
)

// A link to unsubscribe works through the gateway: a mail program's POST is
// remembered, a scanner's GET is not.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	box := sealingBox(t, shared)
	newCustomer(t, shared)
	conn, err := pgx.Connect(ctx, shared.DatabaseURL)
	testkit.Must(t, err)
	defer conn.Close(ctx)
	choice := unsubscribe.Choice{Recipient: "Ada@example.com", Category: "webhooks"}
	testkit.Must(t, conn.QueryRow(ctx, `SELECT id FROM organization WHERE name = $1`, t.Name()).Scan(&choice.Org))
	link := unsubscribe.URL(shared.URL, box, choice, time.Now())
	remembered := func() (n int) {
		testkit.Must(t, conn.QueryRow(ctx, `SELECT count(*) FROM mail_unsubscribed WHERE org_id = $1 AND recipient = 'ada@example.com' AND category = 'webhooks'`, choice.Org).Scan(&n))
		return n
	}
	for _, step := range []struct {
		method, page string
		want         int
	}{{"GET", "Stop this mail?", 0}, {"POST", "Done", 1}, {"POST", "Done", 1}} {
		r, err := http.NewRequest(step.method, link, strings.NewReader("List-Unsubscribe=One-Click"))
		testkit.Must(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w, err := http.DefaultClient.Do(r)
		testkit.Must(t, err)
		page, err := io.ReadAll(w.Body)
		w.Body.Close()
		testkit.Must(t, err)
		if w.StatusCode != 200 || !strings.Contains(string(page), step.page) || remembered() != step.want {
			t.Errorf("%s: %d, %d remembered, want %d\n%s", step.method, w.StatusCode, remembered(), step.want, page)
		}
	}
}
