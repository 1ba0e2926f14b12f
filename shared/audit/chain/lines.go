package chain

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/audit/record"
	"portico/shared/id"
	"portico/shared/pg"
)

// Selected is a place of the chain with its entry, as an export sees it.
type Selected struct {
	record.Line
	InTime  bool // the time of the filter has the entry
	Matches bool // all else of the filter does
}

// ScanRow reads what ListSelected selects.
func (s *Selected) ScanRow(row pgx.Rows) error {
	var hash, before, personal []byte
	err := row.Scan(append([]any{&s.Number, &s.Entry.ID, &hash, &before, &personal, &s.Category, &s.InTime, &s.Matches}, fields(&s.Entry)...)...)
	copy(s.Hash[:], hash)
	copy(s.Before[:], before)
	copy(s.Personal[:], personal)
	return err
}

// hashBefore is the hash before the place c. Of the first one that is kept, the head
// knows it.
const hashBefore = `coalesce((SELECT b.hash FROM audit_chain b WHERE b.org_id = c.org_id AND b.number = c.number - 1),
	(SELECT h.hash_before FROM audit_head h WHERE h.org_id = c.org_id AND h.first = c.number))`

// EntryOf is the entry e of a place c, in a join. LIMIT makes Postgres look each one up: it
// knows little of a quarter that has just begun, and would read all entries of an
// organization for a few places.
const EntryOf = `LATERAL (SELECT * FROM audit_entry WHERE org_id = c.org_id AND id = c.entry_id LIMIT 1) e ON true`

// ListSelected returns the places with numbers from…to, in their order.
func ListSelected(ctx context.Context, tx pg.Tx, org id.Org, f audit.Filter, from, to int64) ([]Selected, error) {
	time, others, args := f.Conditions([]any{[16]byte(org.UUID)})
	args = append(args, from, to)
	list, err := pg.List[Selected](ctx, tx, "chain.ListSelected", `
		SELECT c.number, c.entry_id, c.hash, `+hashBefore+`, c.personal_hash, coalesce(e.category, ''), coalesce(`+time+`, false), coalesce(`+others+`, false), `+columns+`
		FROM audit_chain c LEFT JOIN `+EntryOf+`
		WHERE c.org_id = $1 AND c.number BETWEEN `+fmt.Sprintf(`$%d AND $%d ORDER BY c.number`, len(args)-1, len(args)), args...)
	for i := range list {
		list[i].Org = org
	}
	return list, err
}
