package chain

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit/record"
	"portico/shared/id"
	"portico/shared/pg"
)

// VerifyAtMost is how many entries one call of Verify looks at.
const VerifyAtMost = 1000

// Verification is what Verify has found.
type Verification struct {
	Head     Head
	First    int64         // the number of the first entry that is kept
	End      int64         // the number of the last place, or of the head if that is later
	From     int64         // the first number that was looked at
	To       int64         // the last number that was looked at
	Verified int64         // how many entries are as they were chained
	Erased   int64         // of how many of these the personal fields were erased
	Fault    *record.Fault // the first one; nil: none
}

// Head is the end of a chain. A number of 0 and a hash of zeros: it is empty.
type Head = record.Head

// readHead returns the head as it is recorded, the last place of the chain, which is the
// same unless one of them was forged, and what was before the first entry that is kept.
func readHead(ctx context.Context, tx pg.Tx, org id.Org) (recorded, last, before Head, err error) {
	var recordedHash, lastHash, hashBefore []byte
	err = tx.QueryRow(ctx, `
		SELECT coalesce(h.number, 0), h.hash, coalesce(l.number, 0), l.hash, coalesce(h.first - 1, 0), h.hash_before
		FROM (SELECT) AS once LEFT JOIN audit_head h ON h.org_id = $1
		LEFT JOIN LATERAL (SELECT number, hash FROM audit_chain WHERE org_id = $1 ORDER BY number DESC LIMIT 1) l ON true`,
		[16]byte(org.UUID)).Scan(&recorded.Number, &recordedHash, &last.Number, &lastHash, &before.Number, &hashBefore)
	if err != nil {
		return recorded, last, before, fmt.Errorf("chain.readHead: %w", err)
	}
	copy(recorded.Hash[:], recordedHash)
	copy(last.Hash[:], lastHash)
	copy(before.Hash[:], hashBefore)
	if last.Number == 0 { // all entries were too old to be kept
		last = before
	}
	return recorded, last, before, nil
}

// Verify compares the entries with numbers from…to, but at most VerifyAtMost, with
// the chain: each entry and its place, and that no other entry lies among them. When it
// reaches the end, it also looks for entries after the last one. A tail that was cut
// together with the head is found by Compare. Entries that were too old to be kept are
// left out.
func Verify(ctx context.Context, tx pg.Tx, org id.Org, from, to int64) (v Verification, err error) {
	recorded, last, before, err := readHead(ctx, tx, org)
	if err != nil {
		return v, err
	}
	v.Head, v.First, v.End = recorded, before.Number+1, max(recorded.Number, last.Number)
	from = max(from, v.First)
	if v.From = from; from > max(v.End, v.First) {
		return v, nil
	}
	v.To = min(to, from+VerifyAtMost-1, v.End)
	// Two places more: the hash before, and the one before that to find an insertion.
	places, err := listPlaces(ctx, tx, org, max(from-2, v.First), v.To)
	if err != nil {
		return v, err
	}
	if from == v.First {
		places = append([]record.Place{{Number: before.Number, Hash: before.Hash}}, places...)
	}
	w := record.Walk{Org: org, Places: places}
	v.Fault = w.Run(from, v.To)
	if v.Verified, v.Erased = w.Verified, w.Erased; v.Fault != nil {
		return v, nil
	}
	if v.Fault, err = findStray(ctx, tx, org, from == v.First, v.To == v.End, places); v.Fault != nil || err != nil {
		return v, err
	}
	if recorded != last {
		v.Fault = &record.Fault{Kind: record.BadHead, Number: recorded.Number}
		if last.Number < recorded.Number {
			v.Fault = &record.Fault{Kind: record.Deleted, Number: last.Number + 1}
		}
	}
	return v, nil
}

// Compare compares a chain that Verify found valid, with this head, with the end of its
// archive. That must have been read before, because it moves on meanwhile.
func Compare(ctx context.Context, tx pg.Tx, org id.Org, head, archived Head) (*record.Fault, error) {
	hash, found, err := At(ctx, tx, org, archived.Number)
	switch {
	case err != nil:
		return nil, err
	case !found && head.Number < archived.Number:
		return &record.Fault{Kind: record.Cut, Number: head.Number + 1}, nil
	case !found:
		return &record.Fault{Kind: record.Deleted, Number: archived.Number}, nil
	case hash != archived.Hash:
		return &record.Fault{Kind: record.Replaced, Number: archived.Number}, nil
	}
	return nil, nil
}

// columns are those that fields reads, of audit_entry as e.
const columns = `e.id IS NOT NULL, coalesce(e.action, ''), coalesce(e.outcome, ''), coalesce(e.actor_type, ''), coalesce(e.actor_id, ''),
	e.targets, e.before, e.after, coalesce(e.request_id, ''), coalesce(e.created_at, 'epoch'), e.actor_name, e.source_ip, coalesce(e.user_agent, ''), e.salt`

// fields are where to scan columns to.
func fields(e *record.Entry) []any {
	return []any{
		&e.Found, &e.Action, &e.Outcome, &e.ActorType, &e.ActorID, &e.Targets, &e.Before, &e.After,
		&e.RequestID, &e.CreatedAt, &e.Name, &e.SourceIP, &e.UserAgent, &e.Salt,
	}
}

// place is a row of the chain with what its entry is today.
type place struct{ record.Place }

// ScanRow reads what listPlaces selects.
func (p *place) ScanRow(row pgx.Rows) error {
	var e record.Entry
	var number int64
	var personal, hash []byte
	if err := row.Scan(append([]any{&number, &e.ID, &personal, &hash}, fields(&e)...)...); err != nil {
		return err
	}
	var kept, linked record.Hash
	copy(kept[:], personal)
	copy(linked[:], hash)
	p.Place = record.PlaceOf(&e, number, kept, linked)
	return nil
}

func listPlaces(ctx context.Context, tx pg.Tx, org id.Org, from, to int64) ([]record.Place, error) {
	rows, err := pg.List[place](ctx, tx, "chain.listPlaces", `
		SELECT c.number, c.entry_id, c.personal_hash, c.hash, `+columns+`
		FROM audit_chain c LEFT JOIN `+EntryOf+`
		WHERE c.org_id = $1 AND c.number BETWEEN $2 AND $3 ORDER BY c.number`, [16]byte(org.UUID), from, to)
	places := make([]record.Place, len(rows))
	for i, row := range rows {
		places[i] = row.Place
	}
	return places, err
}

// strayAtMost bounds how many entries findStray looks at. There are more only while many
// entries wait to be chained.
const strayAtMost = 5 * VerifyAtMost

// findStray finds an entry that has no place and does not wait for one, among the
// entries of these places; before them and after them, if these are the first and the
// last. The places of two calls overlap, so no entry is between them.
func findStray(ctx context.Context, tx pg.Tx, org id.Org, first, last bool, places []record.Place) (*record.Fault, error) {
	if len(places) == 0 && (!first || !last) {
		return nil, nil
	}
	low, high := id.AuditEntry{}, id.AuditEntry{}
	for i := range high.UUID {
		high.UUID[i] = 0xff
	}
	if !first {
		low = places[0].Entry
	}
	if !last {
		high = places[0].Entry
	}
	for _, p := range places {
		if !first && bytes.Compare(p.Entry.UUID[:], low.UUID[:]) < 0 {
			low = p.Entry
		}
		if !last && bytes.Compare(p.Entry.UUID[:], high.UUID[:]) > 0 {
			high = p.Entry
		}
	}
	stray, err := pg.List[id.AuditEntry](ctx, tx, "chain.findStray", `
		SELECT e.id FROM (SELECT id FROM audit_entry WHERE org_id = $1 AND id BETWEEN $2 AND $3 ORDER BY id LIMIT $4) e
		WHERE (SELECT true FROM audit_chain c WHERE c.org_id = $1 AND c.entry_id = e.id LIMIT 1) IS NULL
			AND (SELECT true FROM audit_unchained u WHERE u.org_id = $1 AND u.entry_id = e.id LIMIT 1) IS NULL
		ORDER BY e.id LIMIT 1`, [16]byte(org.UUID), [16]byte(low.UUID), [16]byte(high.UUID), strayAtMost)
	if err != nil || len(stray) == 0 {
		return nil, err
	}
	return &record.Fault{Kind: record.Inserted, Entry: stray[0]}, nil
}

// Link is the place of an entry in the chain.
type Link struct {
	Number       int64
	Hash         record.Hash
	Before       record.Hash // the hash before; zeros: it is the first entry, or the one before is missing
	PersonalHash record.Hash
}

// ScanRow reads what Find selects.
func (l *Link) ScanRow(row pgx.Rows) error {
	var hash, before, personal []byte
	err := row.Scan(&l.Number, &hash, &before, &personal)
	copy(l.Hash[:], hash)
	copy(l.Before[:], before)
	copy(l.PersonalHash[:], personal)
	return err
}

// Find returns the place of an entry; nil: it is not chained yet.
func Find(ctx context.Context, tx pg.Tx, org id.Org, entry id.AuditEntry) (*Link, error) {
	links, err := pg.List[Link](ctx, tx, "chain.Find", `
		SELECT c.number, c.hash, `+hashBefore+`, c.personal_hash FROM audit_chain c
		WHERE c.org_id = $1 AND c.entry_id = $2`, [16]byte(org.UUID), entry)
	if err != nil || len(links) == 0 {
		return nil, err
	}
	return &links[0], nil
}
