package jobs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"portico/infra/local/aws/awstest"
	"portico/shared/apikey"
	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/jobs"
	"portico/shared/member"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// moved is two databases, and an organization that lives in the second.
type moved struct {
	t        *testing.T
	home, db *testkit.Database
	deleter  jobs.Deleter // of home
	keys     *apikey.Projection
	move     jobs.Move
	org      id.Org
	key      apikey.Hash
}

// both is a user of home, and a member of the organization.
var both = id.New[id.User](time.Now())

func newMoved(t *testing.T) *moved {
	t.Helper()
	m := &moved{t: t, home: testkit.DB(t), db: testkit.DB(t)}
	ctx := context.Background()
	testkit.Must(t, m.home.App.Add(ctx, "acme", m.db.URL("portico_app")))
	m.deleter, m.keys = newDeleter(t, m.home)
	m.deleter.Wait = func(context.Context, time.Duration) error { return nil }
	u, nudges := newUpkeep(t, m.home, io.Discard)
	m.move = jobs.Move{
		Logins:   map[string]jobs.Login{pg.Home: {URL: m.home.URL("portico_master")}, "acme": {URL: m.db.URL("portico_master")}},
		Wakers:   map[string][]*claim.Waker{pg.Home: {u.Waker}, "acme": {{Database: "acme", Due: u.Waker.Due, Nudge: u.Waker.Nudge}}},
		Clock:    m.home.Clock,
		Progress: t.Logf,
	}
	made, err := jobs.Bootstrap{DB: m.home.App, Keys: m.keys, Clock: m.home.Clock}.CreateOrganization(ctx, jobs.CreateOrganization{Name: "Acme"})
	testkit.Must(t, err)
	m.org, err = id.Parse[id.Org](made.OrganizationID)
	testkit.Must(t, err)
	m.key, err = apikey.Parse(made.APIKey)
	testkit.Must(t, err)
	m.home.AddUser(t, both, "both@example.com")
	testkit.Credentials(t, m.home, both)
	testkit.Everything(t, m.home, m.org, both)
	done, err := m.run(m.org.String(), "acme")
	testkit.Must(t, err)
	if done.From != pg.Home || done.Database != "acme" || done.RowsCopied < 36_000 || nudges.Depth().Visible != 2 { // for the announcement of an old move that it cleared, and for its own end
		t.Errorf("%+v, and %d nudges", done, nudges.Depth().Visible)
	}
	return m
}

func (m *moved) run(org, database string) (jobs.OrganizationMoved, error) {
	payload, err := json.Marshal(jobs.MoveOrganization{OrganizationID: org, Database: database})
	testkit.Must(m.t, err)
	return m.move.Run(context.Background(), payload)
}

// A move that is impossible is refused with a sentence that says why.
func TestMoveRefuses(t *testing.T) {
	t.Parallel()
	m := newMoved(t)
	for _, tt := range []struct{ org, database, want string }{
		{"org_1", "acme", "organization_id"},
		{m.org.String(), "berlin", `DATABASES does not name "berlin"`},
		{id.New[id.Org](time.Now()).String(), "acme", "there is no such organization"},
	} {
		if _, err := m.run(tt.org, tt.database); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s to %s: %v, want %q", tt.org, tt.database, err, tt.want)
		}
	}
	if _, err := m.move.Run(context.Background(), json.RawMessage(`{`)); err == nil || !strings.Contains(err.Error(), "not JSON such as") {
		t.Errorf("%v", err)
	}
}

// A key works in whichever database its organization lives, and a lost projection
// is repaired from there.
func TestKeyOfMovedOrganization(t *testing.T) {
	t.Parallel()
	m, ctx := newMoved(t), context.Background()
	testkit.Must(t, m.keys.Remove(ctx, m.key))
	caller, _, err := m.keys.Caller(ctx, m.key, apikey.Use{})
	if err != nil || caller.Org != m.org {
		t.Errorf("%+v, %v", caller, err)
	}
}

// A person who is a member in two databases is one user with one id. The list of
// all organizations shows each once, in one order, wherever it lives.
func TestOneOfEachAcrossDatabases(t *testing.T) {
	t.Parallel()
	m, ctx := newMoved(t), context.Background()
	known, err := member.FindUser(ctx, m.home.App, "BOTH@example.com", time.Now())
	if err != nil || known != both {
		t.Errorf("the user is %s, %v", known.UUID, err)
	}
	alone, err := member.FindUser(ctx, m.home.App, m.org.UUID.String()+"@example.com", time.Now())
	if n := testkit.Value[int](t, m.db, `SELECT count(*) FROM user_account WHERE id = $1`, alone); err != nil || n != 1 {
		t.Errorf("the user of the other database is not found: %v", err)
	}
	if n := testkit.Value[int](t, m.home, `SELECT count(*) FROM user_account WHERE id = $1`, alone); n != 0 {
		t.Error("home still has a user who is a member only in the other database")
	}
	for table, n := range m.home.UserRows(t, both) {
		if there := m.db.UserRows(t, both)[table]; n != 1 || there > 0 && table != "user_account" {
			t.Errorf("%s: %d rows at home, %d in the other database; credentials stay at home", table, n, there)
		}
	}
	if fresh, err := member.FindUser(ctx, m.home.App, "new@example.com", time.Now()); err != nil || fresh.IsZero() {
		t.Errorf("a new user: %s, %v", fresh, err)
	}

	m.home.Insert(t, "organization", testkit.Row{"id": m.org, "name": "not erased yet"})
	first := m.home.NewOrg(t)
	m.home.Advance(t, time.Second)
	last := m.home.NewOrg(t)
	var found []id.Org
	filter := org.Filter{}
	for {
		page, err := org.List(ctx, m.home.App, filter, 1)
		testkit.Must(t, err)
		if len(page) == 0 {
			break
		}
		found = append(found, page[0].ID)
		filter.CreatedAt, filter.ID = page[0].CreatedAt, page[0].ID
	}
	if want := []id.Org{last, first, m.org}; fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("listed %s, want %s", found, want)
	}
}

// Deleting an organization that has moved leaves no row in any database, not even
// the placement in its old one. A deletion that was interrupted continues.
func TestDeleteMovedOrganization(t *testing.T) {
	t.Parallel()
	m, ctx := newMoved(t), context.Background()
	if rows := m.home.Rows(t, m.org); rows["placement"] != 1 || rows["organization"] != 0 {
		t.Errorf("home has %v", rows)
	}
	m.home.Exec(t, `REVOKE EXECUTE ON FUNCTION forget_placement FROM portico_app`)
	if _, err := m.deleter.Delete(ctx, m.org.String()); err == nil {
		t.Error("the deletion did not stop")
	}
	m.home.Exec(t, `GRANT EXECUTE ON FUNCTION forget_placement TO portico_app`)
	_, err := m.deleter.Delete(ctx, m.org.String())
	testkit.Must(t, err)
	for name, d := range map[string]*testkit.Database{"home": m.home, "acme": m.db} {
		for table, n := range d.Rows(t, m.org) {
			if n != 0 {
				t.Errorf("%d rows are left in %s of %s", n, table, name)
			}
		}
	}
	if _, err := m.run(m.org.String(), pg.Home); err == nil || !strings.Contains(err.Error(), "no such organization") {
		t.Errorf("moved: %v", err)
	}
}

// The jobs of an organization that has moved are found in the new database: its
// sweep looks for them, and the functions of all queues are woken.
func TestMoveWakesRunners(t *testing.T) {
	t.Parallel()
	m, ctx := newMoved(t), context.Background()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	nudges, sender := awstest.Queue(t)
	for _, queue := range job.Queues {
		m.move.Wakers[pg.Home] = append(m.move.Wakers[pg.Home], &claim.Waker{
			Queue: string(queue), Database: pg.Home, Due: claim.NewDue(client, table, string(queue), pg.Home, m.home.Clock), Nudge: sender,
		})
	}
	_, err := m.run(m.org.String(), pg.Home)
	testkit.Must(t, err)
	for _, w := range m.move.Wakers[pg.Home][1:] {
		if item, err := w.Due.Read(ctx); err != nil || item.At.IsZero() || item.At.After(m.home.Clock.Now()) {
			t.Errorf("the sweep looks for jobs of %s at %s, %v", w.Queue, item.At, err)
		}
	}
	if n := nudges.Depth().Visible; n != len(job.Queues) {
		t.Errorf("%d nudges, want one for each of %d queues", n, len(job.Queues))
	}
}
