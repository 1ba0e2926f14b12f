package placement_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/placement"
	"portico/shared/testkit"
)

// pair is two databases, and an organization that lives in the first.
type pair struct {
	t        *testing.T
	at       map[string]*testkit.Database
	db       *pg.DB // knows both
	mover    placement.Mover
	org      id.Org
	progress func(line string) // called with each line of a move
}

const acme = "acme"

func newPair(t *testing.T) *pair {
	t.Helper()
	home, other := testkit.DB(t), testkit.DB(t)
	p := &pair{t: t, at: map[string]*testkit.Database{pg.Home: home, acme: other}, db: home.App, org: home.NewOrg(t), progress: func(string) {}}
	testkit.Must(t, p.db.Add(context.Background(), acme, other.URL("portico_app")))
	p.mover = placement.Mover{
		Owners: map[string]*pg.Owner{}, Lower: func(context.Context, string) error { return nil }, Wake: func(context.Context, string) {},
		Progress: func(format string, args ...any) {
			line := fmt.Sprintf(format, args...)
			t.Log(line)
			p.progress(line)
		},
	}
	for name, d := range p.at {
		config, err := pgx.ParseConfig(d.URL("portico_master"))
		testkit.Must(t, err)
		p.mover.Owners[name] = pg.NewOwner(name, config)
	}
	return p
}

// another returns a new DB, as another Lambda environment would have.
func (p *pair) another() *pg.DB {
	p.t.Helper()
	ctx := context.Background()
	db, err := pg.Open(ctx, p.at[pg.Home].URL("portico_app"))
	testkit.Must(p.t, err)
	testkit.Must(p.t, db.Add(ctx, acme, p.at[acme].URL("portico_app")))
	p.t.Cleanup(db.Close)
	return db
}

// rename writes a row of the organization and returns the database in which it
// did.
func (p *pair) rename(db *pg.DB, name string) (database string, err error) {
	ctx := context.Background()
	err = db.InOrg(ctx, p.org, func(tx pg.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE organization SET name = $2 WHERE id = $1`, p.org, name)
		if err == nil && tag.RowsAffected() != 1 {
			err = fmt.Errorf("%d rows in %s", tag.RowsAffected(), pg.DatabaseOf(tx))
		}
		database = pg.DatabaseOf(tx)
		return err
	})
	return database, err
}

// livesIn checks where the organization lives and that nothing is left elsewhere.
func (p *pair) livesIn(database string) {
	p.t.Helper()
	for name, d := range p.at {
		rows := d.Rows(p.t, p.org)
		delete(rows, "placement")
		maps.DeleteFunc(rows, func(_ string, n int) bool { return n == 0 })
		if (name == database) != (len(rows) > 0) {
			p.t.Errorf("%s has %v; the organization should live in %s", name, rows, database)
		}
	}
	if found, err := p.rename(p.another(), "found"); err != nil || found != database {
		p.t.Errorf("a write goes to %q (%v), want %s", found, err, database)
	}
	if found, err := p.rename(p.db, "found"); err != nil || found != database {
		p.t.Errorf("a write with an old notion goes to %q (%v), want %s", found, err, database)
	}
}

// content returns a checksum of every table's rows of the organization.
func (p *pair) content(database string) map[string]string {
	p.t.Helper()
	d, sums := p.at[database], map[string]string{}
	for table := range d.Rows(p.t, p.org) {
		if table == "placement" {
			continue
		}
		column := "org_id"
		if table == "organization" {
			column = "id"
		}
		sums[table] = testkit.Value[string](p.t, d, fmt.Sprintf(
			`SELECT coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM %s t WHERE %s = $1`, pgx.Identifier{table}.Sanitize(), column), p.org)
	}
	sums["user_account"] = testkit.Value[string](p.t, d, `
		SELECT coalesce(string_agg(u::text, ',' ORDER BY u::text), '') FROM user_account u JOIN member m ON m.user_id = u.id WHERE m.org_id = $1`, p.org)
	return sums
}

// holdUp delays the next step that waits for open transactions, by keeping one
// open.
func (p *pair) holdUp(done *sync.WaitGroup) {
	p.t.Helper()
	began := make(chan struct{})
	go func() {
		_ = p.db.InOrg(context.Background(), p.org, func(tx pg.Tx) error {
			_, err := tx.Exec(context.Background(), `SELECT`)
			close(began)
			done.Wait()
			return err
		})
	}()
	<-began
}

func (p *pair) same(before, after map[string]string) {
	p.t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		p.t.Errorf("the rows differ (-before +after):\n%s", diff)
	}
}
