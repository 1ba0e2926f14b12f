package cost

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/infra/local/services"
)

// Index entries are counted exactly in the WAL. The row counts also count the
// partial index, which does not have these rows. A session that is still
// connected has published all that it did.
func TestMeter(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server, err := services.StartPostgres(ctx, services.PostgresOptions{Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	worker, err := pgx.Connect(ctx, server.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close(ctx)
	do := func(sql string) {
		if _, err := worker.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	do(`CREATE TABLE queue (id integer PRIMARY KEY, note text); CREATE INDEX ON queue (note) WHERE note = 'pending'`)
	do(`INSERT INTO queue VALUES (-1, 'warm')`)
	m, err := Open(ctx, server.AdminURL(), os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	mark, err := m.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	do(`INSERT INTO queue SELECT n, 'done' FROM generate_series(1, 100) n`)
	do(`INSERT INTO queue SELECT n, 'pending' FROM generate_series(101, 110) n`)
	do(`UPDATE queue SET note = 'done' WHERE id BETWEEN 101 AND 110`)
	mark.Stop()
	used, err := m.Finish(ctx, mark)
	if err != nil {
		t.Fatal(err)
	}
	counted, err := m.Counters(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if used[Entries] != 110+10+10 || used[Updates] != 10 || used[Commits] != 3 {
		t.Errorf("%v index entries, %v updates and %v commits, want 130, 10 and 3", used[Entries], used[Updates], used[Commits])
	}
	if used[Bytes] < 110*50 || used[Bytes] > 110*1000 || used[Records] < 250 {
		t.Errorf("%v bytes in %v records", used[Bytes], used[Records])
	}
	if counted[RowEntries] != 2*121 || counted[Transactions] < 5 {
		t.Errorf("%v index entries by row counts in %v transactions, want 242 in 5 or more", counted[RowEntries], counted[Transactions])
	}
	// Nothing of the measurement remains on the server.
	if _, err := m.Begin(ctx); err != nil {
		t.Error(err)
	}
}
