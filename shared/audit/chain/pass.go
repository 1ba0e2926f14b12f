package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit/record"
	"portico/shared/id"
	"portico/shared/pg"
)

const (
	// orgsAtOnce and entriesAtOnce bound one pass: its transaction, and its memory.
	orgsAtOnce    = 100
	entriesAtOnce = 1000
	// lockAtMost bounds the one wait of a pass: while another pass makes the head of a
	// new chain.
	lockAtMost = 2 * time.Second
)

// head is the end of a chain.
type head struct {
	Org       id.Org
	Number    int64
	Hash      []byte
	Archiving bool // a job archives what is chained after the archive
	Streamed  bool // the organization has streams that send the log
}

// livesHere is the condition that an organization o is neither moving nor closed. A
// move waits for the transactions that began before it was announced, so nothing is
// chained while it copies rows.
const livesHere = `
	AND NOT EXISTS (SELECT FROM placement m WHERE m.org_id = o.id AND m.until > portico_now())
	AND NOT EXISTS (SELECT FROM organization c WHERE c.id = o.id AND c.deleted_at IS NOT NULL)`

// waitingEntry is an entry that waits for its place. Only its hashes are kept, because a
// thousand entries may be large.
type waitingEntry struct {
	org      id.Org
	id       id.AuditEntry
	personal record.Hash
	digest   record.Hash
}

// ScanRow reads what read selects.
func (w *waitingEntry) ScanRow(row pgx.Rows) error {
	var e record.Entry
	if err := row.Scan(append([]any{&w.org, &e.ID}, fields(&e)...)...); err != nil {
		return err
	}
	w.id, w.personal = e.ID, e.Personal()
	w.digest = e.Digest(w.personal)
	return nil
}

// errGone is returned when entries that were read are not waiting any more when the
// pass wants to chain them: the organization is being erased.
var errGone = errors.New("chain: entries went away while they were being chained")

// pass gives the next numbers to entries that wait, in one transaction: after a kill
// either all of it has happened or nothing. The entries of each organization are
// chained in the order of their ids, and before all that commit later. It leaves out
// organizations that another pass works on: taken are the others. It takes an equal
// share of entries of each.
func (s *Sequencer) pass(ctx context.Context, orgs []id.Org) (taken map[id.Org]bool, err error) {
	taken = map[id.Org]bool{}
	perOrg := max(1, entriesAtOnce/len(orgs))
	err = s.begin(ctx, func(tx pg.Tx) error {
		s.at("begun")
		heads, entries, err := s.read(ctx, tx, orgs, perOrg)
		if err != nil {
			return err
		}
		s.at("read")
		for _, h := range heads {
			taken[h.Org] = true
		}
		var w written
		if w.add(heads, entries); len(w.orgs) == 0 {
			return nil
		}
		if err := w.write(ctx, tx, s.Archive != nil); err != nil {
			return err
		}
		if s.Archive != nil && len(w.unarchived) > 0 {
			if err := s.Archive(ctx, tx, w.unarchived); err != nil {
				return err
			}
		}
		s.at("written")
		return s.wakeStreams(ctx, tx, w.streamed)
	})
	if err != nil {
		return nil, fmt.Errorf("chain.pass: %w", err)
	}
	s.at("committed")
	return taken, nil
}

// begin runs fn in a transaction that raises the signals of s.Signals.
func (s *Sequencer) begin(ctx context.Context, fn func(pg.Tx) error) error {
	if s.Signals == nil {
		return pgx.BeginFunc(ctx, s.DB, func(tx pgx.Tx) error { return fn(tx) })
	}
	return s.Signals.InAll(ctx, s.DB, s.Waker.Database, fn)
}

func (s *Sequencer) wakeStreams(ctx context.Context, tx pg.Tx, orgs []id.Org) error {
	if len(orgs) == 0 || s.WakeStreams == nil {
		return nil
	}
	if err := s.WakeStreams(ctx, tx, orgs); err != nil {
		return err
	}
	s.at("streams woken")
	return nil
}

// read locks the heads of the organizations that nobody else has locked, that live here
// and that get no entries from the archive, and reads the entries that wait. The second statement sees what was committed
// before the locks were taken, so it never sees entries that an earlier pass has
// chained. The join's form is that of ADR 21.
func (s *Sequencer) read(ctx context.Context, tx pg.Tx, orgs []id.Org, perOrg int) (heads []head, entries []waitingEntry, err error) {
	ids := raw(orgs)
	var b pgx.Batch
	b.Queue(`SELECT set_config('lock_timeout', $1, true)`, pg.LockTimeout(lockAtMost))
	b.Queue(`
		INSERT INTO audit_head (org_id, number, hash)
		SELECT o.id, 0, decode(repeat('00', 32), 'hex') FROM unnest($1::uuid[]) AS o (id)
		WHERE NOT EXISTS (SELECT FROM audit_head h WHERE h.org_id = o.id)`+livesHere+`
		ORDER BY o.id ON CONFLICT DO NOTHING`, ids)
	b.Queue(`
		SELECT h.org_id AS org, h.number, h.hash, h.archiving, EXISTS (
			SELECT FROM audit_stream s WHERE s.org_id = ANY (ARRAY[h.org_id]) AND (s.status = 'enabled' OR s.test_id IS NOT NULL)) AS streamed
		FROM unnest($1::uuid[]) AS o (id) JOIN audit_head h ON h.org_id = o.id
		WHERE h.restoring IS NULL`+livesHere+`
		FOR UPDATE OF h SKIP LOCKED`, ids).Query(pg.Into(&heads))
	b.Queue(`
		SELECT o.id, u.entry_id, `+columns+`
		FROM unnest($1::uuid[]) AS o (id)
		CROSS JOIN LATERAL (SELECT entry_id FROM audit_unchained WHERE org_id = o.id ORDER BY entry_id LIMIT $2) u
		LEFT JOIN audit_entry e ON e.org_id = ANY (ARRAY[o.id]) AND e.id = u.entry_id
		ORDER BY o.id, u.entry_id`, ids, perOrg).Query(pg.Into(&entries))
	return heads, entries, tx.SendBatch(ctx, &b).Close()
}

// written are the rows that a pass writes: places in chains, and the new heads.
type written struct {
	orgs, ids         [][16]byte
	numbers           []int64
	personals, hashes [][]byte
	headOrgs          [][16]byte
	headNumbers       []int64
	headHashes        [][]byte
	unarchived        []id.Org // whose entries no job archives yet
	streamed          []id.Org
}

// add computes the places of the entries whose organization has a head.
func (w *written) add(heads []head, entries []waitingEntry) {
	byOrg := map[id.Org]*head{}
	for i := range heads {
		byOrg[heads[i].Org] = &heads[i]
	}
	moved := map[id.Org]bool{}
	for i := range entries {
		e := &entries[i]
		h := byOrg[e.org]
		if h == nil {
			continue
		}
		h.Number++
		sum := record.Link(e.org, h.Number, record.Hash(h.Hash), e.digest)
		h.Hash, moved[e.org] = sum[:], true
		w.orgs, w.ids, w.numbers = append(w.orgs, e.org.UUID), append(w.ids, e.id.UUID), append(w.numbers, h.Number)
		w.personals, w.hashes = append(w.personals, e.personal[:]), append(w.hashes, sum[:])
	}
	for _, h := range heads {
		if moved[h.Org] {
			w.headOrgs, w.headNumbers, w.headHashes = append(w.headOrgs, h.Org.UUID), append(w.headNumbers, h.Number), append(w.headHashes, h.Hash)
			if !h.Archiving {
				w.unarchived = append(w.unarchived, h.Org)
			}
			if h.Streamed {
				w.streamed = append(w.streamed, h.Org)
			}
		}
	}
}

func (w *written) write(ctx context.Context, tx pg.Tx, archives bool) error {
	var gone, moved int
	err := tx.QueryRow(ctx, `
		WITH chained AS (
			INSERT INTO audit_chain (org_id, number, entry_id, personal_hash, hash)
			SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[])
		), gone AS (
			DELETE FROM audit_unchained u USING unnest($1::uuid[], $3::uuid[]) AS d (org_id, entry_id)
			WHERE u.org_id = ANY (ARRAY[d.org_id]) AND u.entry_id = d.entry_id
			RETURNING 1
		), moved AS (
			UPDATE audit_head h SET number = n.number, hash = n.hash, archiving = h.archiving OR $9
			FROM unnest($6::uuid[], $7::bigint[], $8::bytea[]) AS n (org_id, number, hash)
			WHERE h.org_id = n.org_id
			RETURNING 1
		)
		SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM moved)`,
		w.orgs, w.numbers, w.ids, w.personals, w.hashes, w.headOrgs, w.headNumbers, w.headHashes, archives).Scan(&gone, &moved)
	if err == nil && (gone != len(w.ids) || moved != len(w.headOrgs)) {
		err = errGone
	}
	return err
}

func raw(orgs []id.Org) [][16]byte {
	ids := make([][16]byte, len(orgs))
	for i, o := range orgs {
		ids[i] = o.UUID
	}
	return ids
}
