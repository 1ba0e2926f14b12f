package chain

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit/record"
	"portico/shared/id"
	"portico/shared/pg"
)

// Linked is an entry at its place in the chain, without its personal fields: of these
// there is only the salted hash.
type Linked struct {
	Number    int64
	Entry     id.AuditEntry
	Missing   bool // the entry was deleted before it was chained
	Action    string
	Outcome   string
	ActorType string
	ActorID   string
	Targets   []byte // JSON as it is stored; nil: none
	Before    []byte
	After     []byte
	RequestID string
	CreatedAt time.Time
	Personal  record.Hash
	Hash      record.Hash
}

// Follows reports whether the hash is right if the entry before has that hash.
func (l Linked) Follows(org id.Org, before record.Hash) bool {
	e := record.Entry{
		ID: l.Entry, Action: l.Action, Outcome: l.Outcome, ActorType: l.ActorType, ActorID: l.ActorID,
		Targets: l.Targets, Before: l.Before, After: l.After, RequestID: l.RequestID, CreatedAt: l.CreatedAt,
	}
	return l.Hash == record.Link(org, l.Number, before, e.Digest(l.Personal))
}

// ScanRow reads what List selects.
func (l *Linked) ScanRow(row pgx.Rows) error {
	var e record.Entry
	var personal, hash []byte
	if err := row.Scan(append([]any{&l.Number, &l.Entry, &personal, &hash}, fields(&e)...)...); err != nil {
		return err
	}
	copy(l.Personal[:], personal)
	copy(l.Hash[:], hash)
	l.Missing, l.Action, l.Outcome, l.ActorType, l.ActorID = !e.Found, e.Action, e.Outcome, e.ActorType, e.ActorID
	l.Targets, l.Before, l.After, l.RequestID, l.CreatedAt = e.Targets, e.Before, e.After, e.RequestID, e.CreatedAt
	return nil
}

// List returns the entries from a number on in the order of the chain: at most that
// many, and of so many bytes, but always the first one.
func List(ctx context.Context, tx pg.Tx, org id.Org, from int64, entries int, bytes int64) ([]Linked, error) {
	return pg.List[Linked](ctx, tx, "chain.List", `
		WITH places AS (
			SELECT org_id, number, entry_id, personal_hash, hash FROM audit_chain WHERE org_id = $1 AND number >= $2 AND number < $2 + $3::bigint
		), sizes AS (
			SELECT c.*, sum(octet_length(e.targets::text) + coalesce(octet_length(e.before::text), 0) + coalesce(octet_length(e.after::text), 0))
				OVER (ORDER BY c.number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bytes
			FROM places c LEFT JOIN `+EntryOf+`
		)
		SELECT c.number, c.entry_id, c.personal_hash, c.hash, `+columns+`
		FROM sizes c LEFT JOIN `+EntryOf+`
		WHERE coalesce(c.bytes, 0) <= $4 OR c.number = $2 ORDER BY c.number`, [16]byte(org.UUID), from, entries, bytes)
}

// At returns the hash of the entry with a number; false: there is none. That of number
// 0 is zeros. That before the first entry that is kept is known, too.
func At(ctx context.Context, tx pg.Tx, org id.Org, number int64) (hash record.Hash, found bool, err error) {
	if number == 0 {
		return hash, true, nil
	}
	list, err := pg.List[[]byte](ctx, tx, "chain.At", `
		SELECT hash FROM audit_chain WHERE org_id = $1 AND number = $2
		UNION ALL
		SELECT hash_before FROM audit_head WHERE org_id = $1 AND first = $2 + 1
		LIMIT 1`, [16]byte(org.UUID), number)
	if err != nil || len(list) == 0 {
		return hash, false, err
	}
	copy(hash[:], list[0])
	return hash, true, nil
}
