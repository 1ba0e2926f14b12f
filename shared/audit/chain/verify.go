package chain

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// VerifyAtMost is how many entries one call of Verify looks at.
const VerifyAtMost = 1000

// Verification is what Verify has found.
type Verification struct {
	Head     Head
	End      int64  // the number of the last place, or of the head if that is later
	To       int64  // the last number that was looked at
	Verified int64  // how many entries are as they were chained
	Erased   int64  // of how many of these the personal fields were erased
	Fault    *Fault // the first one; nil: none
}

// Head is the end of a chain. A number of 0 and a hash of zeros: it is empty.
type Head struct {
	Number int64
	Hash   Hash
}

// Fault is a forgery.
type Fault struct {
	Kind   Kind
	Number int64         // where; 0: it has no number
	Entry  id.AuditEntry // zero: it is not known which
}

// Kind is what was most likely done.
type Kind string

// The kinds of faults.
const (
	Edited    Kind = "edited"    // an entry or its hash is not as it was chained
	Deleted   Kind = "deleted"   // an entry or its place is missing
	Inserted  Kind = "inserted"  // an entry has no place, or was put between others
	Reordered Kind = "reordered" // entries have changed places
	BadHead   Kind = "head"      // the head is not the last entry
)

// readHead returns the head as it is recorded, and the last place of the chain, which
// is the same unless one of them was forged.
func readHead(ctx context.Context, tx pg.Tx, org id.Org) (recorded, last Head, err error) {
	var recordedHash, lastHash []byte
	err = tx.QueryRow(ctx, `
		SELECT coalesce(h.number, 0), h.hash, coalesce(l.number, 0), l.hash
		FROM (SELECT) AS once LEFT JOIN audit_head h ON h.org_id = $1
		LEFT JOIN LATERAL (SELECT number, hash FROM audit_chain WHERE org_id = $1 ORDER BY number DESC LIMIT 1) l ON true`,
		[16]byte(org.UUID)).Scan(&recorded.Number, &recordedHash, &last.Number, &lastHash)
	if err != nil {
		return recorded, last, fmt.Errorf("chain.readHead: %w", err)
	}
	copy(recorded.Hash[:], recordedHash)
	copy(last.Hash[:], lastHash)
	return recorded, last, nil
}

// Verify compares the entries with numbers from…to, but at most VerifyAtMost, with
// the chain: each entry and its place, and that no other entry lies among them. When it
// reaches the end, it also looks for entries after the last one. A tail that was cut
// together with the head is found only with a head that was kept elsewhere.
func Verify(ctx context.Context, tx pg.Tx, org id.Org, from, to int64) (v Verification, err error) {
	recorded, last, err := readHead(ctx, tx, org)
	if err != nil {
		return v, err
	}
	v.Head, v.End = recorded, max(recorded.Number, last.Number)
	if from > max(v.End, 1) {
		return v, nil
	}
	v.To = min(to, from+VerifyAtMost-1, v.End)
	// Two places more: the hash before, and the one before that to find an insertion.
	places, err := listPlaces(ctx, tx, org, from-2, v.To)
	if err != nil {
		return v, err
	}
	w := walk{org: org, places: places}
	if v.Fault = w.run(&v, from); v.Fault != nil {
		return v, nil
	}
	if v.Fault, err = findStray(ctx, tx, org, from == 1, v.To == v.End, places); v.Fault != nil || err != nil {
		return v, err
	}
	if recorded != last {
		v.Fault = &Fault{Kind: BadHead, Number: recorded.Number}
		if last.Number < recorded.Number {
			v.Fault = &Fault{Kind: Deleted, Number: last.Number + 1}
		}
	}
	return v, nil
}

// place is a row of the chain with what its entry is today.
type place struct {
	number   int64
	entry    id.AuditEntry
	hash     Hash
	digest   Hash
	found    bool // the entry exists
	personal bool // its personal fields are as they were, or erased
	erased   bool
}

// ScanRow reads what listPlaces selects. It keeps only hashes of the entry.
func (p *place) ScanRow(row pgx.Rows) error {
	var e entry
	var personal, hash []byte
	if err := row.Scan(append([]any{&p.number, &e.id, &personal, &hash}, e.fields()...)...); err != nil {
		return err
	}
	var kept Hash
	copy(kept[:], personal)
	copy(p.hash[:], hash)
	p.entry, p.found, p.erased, p.digest = e.id, e.found, e.isErased(), e.digest(kept)
	p.personal = p.erased || e.personal() == kept
	return nil
}

func listPlaces(ctx context.Context, tx pg.Tx, org id.Org, from, to int64) ([]place, error) {
	return pg.List[place](ctx, tx, "chain.listPlaces", `
		SELECT c.number, c.entry_id, c.personal_hash, c.hash, `+columns+`
		FROM audit_chain c LEFT JOIN audit_entry e ON e.org_id = $1 AND e.id = c.entry_id
		WHERE c.org_id = $1 AND c.number BETWEEN $2 AND $3 ORDER BY c.number`, [16]byte(org.UUID), from, to)
}

// strayAtMost bounds how many entries findStray looks at. There are more only while many
// entries wait to be chained.
const strayAtMost = 5 * VerifyAtMost

// findStray finds an entry that has no place and does not wait for one, among the
// entries of these places; before them and after them, if these are the first and the
// last. The places of two calls overlap, so no entry is between them.
func findStray(ctx context.Context, tx pg.Tx, org id.Org, first, last bool, places []place) (*Fault, error) {
	if len(places) == 0 && (!first || !last) {
		return nil, nil
	}
	low, high := id.AuditEntry{}, id.AuditEntry{}
	for i := range high.UUID {
		high.UUID[i] = 0xff
	}
	if !first {
		low = places[0].entry
	}
	if !last {
		high = places[0].entry
	}
	for _, p := range places {
		if !first && bytes.Compare(p.entry.UUID[:], low.UUID[:]) < 0 {
			low = p.entry
		}
		if !last && bytes.Compare(p.entry.UUID[:], high.UUID[:]) > 0 {
			high = p.entry
		}
	}
	stray, err := pg.List[id.AuditEntry](ctx, tx, "chain.findStray", `
		SELECT e.id FROM (SELECT id FROM audit_entry WHERE org_id = $1 AND id BETWEEN $2 AND $3 ORDER BY id LIMIT $4) e
		WHERE NOT EXISTS (SELECT FROM audit_chain c WHERE c.org_id = $1 AND c.entry_id = e.id)
			AND NOT EXISTS (SELECT FROM audit_unchained u WHERE u.org_id = $1 AND u.entry_id = e.id)
		ORDER BY e.id LIMIT 1`, [16]byte(org.UUID), [16]byte(low.UUID), [16]byte(high.UUID), strayAtMost)
	if err != nil || len(stray) == 0 {
		return nil, err
	}
	return &Fault{Kind: Inserted, Entry: stray[0]}, nil
}
