package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/infra/local/aws"
	"portico/infra/local/stacktest"
	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// atOnce is how many jobs the function of the queue bulk does at a time: two
// invocations, see its ScalingConfig, with eight jobs each.
const atOnce = 2 * 8

// While every place of the queue bulk is taken by a job that hangs until its
// timeout, and more of them wait, the jobs of the queue high are done as ever: who
// is added as a member gets a mail. The jobs of bulk hang on a lock, longer than a
// statement may take otherwise.
func TestHighDoesNotWaitForBulk(t *testing.T) {
	t.Parallel()
	s := own(t)
	c := newCustomer(t, s)
	addMarketing(t, s, 5*atOnce)
	lock, err := pgx.Connect(t.Context(), s.DatabaseURL)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = lock.Close(context.Background()) })
	testkit.Exec(t, lock, `DO $$ BEGIN EXECUTE format('ALTER ROLE portico_app IN DATABASE %I SET statement_timeout = 0', current_database()); END $$`)
	testkit.Exec(t, lock, `BEGIN`)
	testkit.Exec(t, lock, `SELECT FROM mail WHERE stream = 'marketing' FOR UPDATE`)
	s.Queue("BulkQueue").Send(`{"database":"home"}`, nil, 0)
	var hanging []string
	testkit.Await(t, "every place of bulk to be taken", func() bool {
		hanging = leased(t, s)
		return len(hanging) == atOnce
	})

	const members = 30
	for i := range members {
		c.Do("POST", "/v1/members", fmt.Sprintf(`{"email":"member%d@example.com","name":"Ada","role":"viewer"}`, i), http.StatusCreated, &struct{}{})
	}
	testkit.Await(t, "the mails of all members", func() bool {
		got := slices.DeleteFunc(s.Mailbox().List(), func(m aws.Mail) bool { return !strings.HasPrefix(m.To[0], "member") })
		return len(got) == members
	})
	if now := leased(t, s); !slices.Equal(now, hanging) {
		t.Errorf("bulk was not full all the time: its jobs %v were running, and then %v", hanging, now)
	}
	if n := count(t, s, `SELECT count(*)::int FROM job WHERE queue = 'bulk' AND lease IS NULL AND status = 'pending'`); n != 4*atOnce {
		t.Errorf("%d jobs wait in bulk, want %d", n, 4*atOnce)
	}
}

// leased returns the jobs of the queue bulk that run, with the lease of each.
func leased(t *testing.T, s stacktest.Stack) (list []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DatabaseURL)
	testkit.Must(t, err)
	defer conn.Close(context.Background())
	testkit.Must(t, conn.QueryRow(t.Context(), `
		SELECT coalesce(array_agg(id || ' ' || lease ORDER BY id), '{}') FROM job WHERE queue = 'bulk' AND lease IS NOT NULL`).Scan(&list))
	return list
}

// addMarketing adds n mails that are sent by the queue bulk, of 20 organizations: a
// single one may not take all places.
func addMarketing(t *testing.T, s stacktest.Stack, n int) {
	t.Helper()
	ctx, box := t.Context(), sealingBox(t, s)
	admin, err := pgx.Connect(ctx, s.DatabaseURL)
	testkit.Must(t, err)
	defer admin.Close(context.Background())
	address, err := url.Parse(s.DatabaseURL)
	testkit.Must(t, err)
	address.User = url.UserPassword("portico_app", "portico-local")
	app, err := pg.Open(ctx, address.String())
	testkit.Must(t, err)
	defer app.Close()
	letter := template.Content{
		Template: &template.Template{Name: template.MemberAdded.Name, Stream: template.Marketing}, Data: template.MemberAddedData{Organization: "Acme", Role: "viewer"},
	}
	const organizations = 20
	for range organizations {
		var org id.Org
		testkit.Must(t, admin.QueryRow(ctx, `INSERT INTO organization (id, name, created_at, updated_at) VALUES (gen_random_uuid(), 'Acme', now(), now()) RETURNING id`).Scan(&org))
		testkit.Must(t, app.InOrg(ctx, org, func(tx pg.Tx) error {
			for i := range n / organizations {
				m := mail.Mail{To: transport.Address{Address: fmt.Sprintf("reader%d@example.com", i)}, Content: letter, Key: fmt.Sprint(i)}
				if _, err := mail.Send(ctx, tx, box, time.Now(), org, m); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}
