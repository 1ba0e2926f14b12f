package archive_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/pg"
	"portico/shared/placement"
	"portico/shared/testkit"
)

// An organization with an archive moves to another database and back. Its archive goes on
// with the next number each time, and its chain matches the archive before and after.
func TestArchiveMoves(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const other = "acme"
	at, ctx := map[string]*testkit.Database{pg.Home: f.Database, other: testkit.DB(t)}, context.Background()
	mover := placement.Mover{
		Owners: map[string]*pg.Owner{}, Lower: func(context.Context, string) error { return nil }, Wake: func(context.Context, string) {}, Progress: t.Logf,
	}
	for name, d := range at {
		config, err := pgx.ParseConfig(d.URL("portico_master"))
		testkit.Must(t, err)
		mover.Owners[name] = pg.NewOwner(name, config)
	}
	f.write(3, nil)
	f.sequence()
	f.run(f.archiver())
	f.whole(3)
	f.write(1, nil) // archived only where it arrives
	f.sequence()
	entries := int64(4)
	for _, to := range []string{other, pg.Home} {
		f.compare(nil)
		_, err := mover.Move(ctx, f.org, to)
		testkit.Must(t, err)
		f.Database = at[to]
		f.Advance(t, 22*time.Minute) // as late as in the other one
		f.compare(nil)
		if f.end().Number != entries-1 {
			t.Errorf("the archive ends at %d", f.end().Number)
		}
		f.write(2, nil)
		f.sequence()
		f.run(f.archiver())
		entries += 2
		f.whole(entries)
		f.write(1, nil)
		f.sequence()
		entries++
	}
	f.run(f.archiver())
	f.whole(entries)
}
