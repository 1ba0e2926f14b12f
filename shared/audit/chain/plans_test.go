package chain_test

import (
	"context"
	"testing"

	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// Postgres knows a log as it was when it was last analysed: for the first entries of a
// quarter, as empty. Then, too, what reads a few places of the chain reads only these.
func TestRangesOfANewQuarter(t *testing.T) {
	t.Parallel()
	const entries, from, to = 4000, 2000, 2020
	l := newLog(t)
	l.Exec(t, `VACUUM (ANALYZE) audit_entry, audit_chain`)
	l.InOrg(t, l.org, func(ctx context.Context, tx pg.Tx) error {
		for i := range entries {
			if err := audit.Insert(ctx, tx, l.org, l.entry(i)); err != nil {
				return err
			}
		}
		return nil
	})
	l.work(l.sequencer())
	entry := testkit.Value[id.AuditEntry](t, l.Database, `SELECT entry_id FROM audit_chain WHERE number = $1`, from)
	reads := map[string]func(context.Context, pg.Tx) error{
		"a range with its filter": func(ctx context.Context, tx pg.Tx) error {
			_, err := chain.ListSelected(ctx, tx, l.org, audit.Filter{Action: "role.update"}, from, to)
			return err
		},
		"the next entries": func(ctx context.Context, tx pg.Tx) error {
			_, err := chain.List(ctx, tx, l.org, from, to-from, 1<<20)
			return err
		},
		"verifying a range": func(ctx context.Context, tx pg.Tx) error {
			_, err := chain.Verify(ctx, tx, l.org, from, to)
			return err
		},
		"a hash": func(ctx context.Context, tx pg.Tx) error {
			_, _, err := chain.At(ctx, tx, l.org, from)
			return err
		},
		"the place of an entry": func(ctx context.Context, tx pg.Tx) error {
			_, err := chain.Find(ctx, tx, l.org, entry)
			return err
		},
	}
	for _, known := range []string{"not analysed yet", "analysed"} {
		if known == "analysed" {
			l.Exec(t, `ANALYZE audit_entry, audit_chain`)
		}
		for name, read := range reads {
			var n int64
			l.InOrg(t, l.org, func(ctx context.Context, tx pg.Tx) error {
				before := testkit.RowsReadBy(t, tx, "audit_entry", "audit_chain")
				err := read(ctx, tx)
				n = testkit.RowsReadBy(t, tx, "audit_entry", "audit_chain") - before
				return err
			})
			if n == 0 || n > 1000 {
				t.Errorf("%s of %d places beside %d reads %d rows and index entries; %s", name, to-from, entries, n, known)
			}
		}
	}
}
