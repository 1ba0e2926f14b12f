// Package archive keeps a second copy of the audit logs in a bucket whose objects
// cannot be changed or deleted. An object has the entries of a part of one chain, and
// can be verified without the database: docs/audit.md has its format, ADR 25 the reasons.
package archive

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/google/uuid"

	"portico/shared/audit/anchor"
	"portico/shared/audit/chain"
	"portico/shared/audit/record"
	"portico/shared/bucket"
	"portico/shared/id"
)

// format is the number of this format. Another one gets another number.
const format = 1

// Batch is what one object has: entries that follow each other in one chain, the first
// of them after Before.
type Batch struct {
	Before  chain.Head
	Entries []chain.Linked // at least one
}

// Head is the last entry.
func (b Batch) Head() chain.Head {
	last := b.Entries[len(b.Entries)-1]
	return chain.Head{Number: last.Number, Hash: last.Hash}
}

// check returns an error unless each entry follows the one before.
func (b Batch) check(org id.Org) error {
	before := b.Before
	for _, e := range b.Entries {
		if e.Number != before.Number+1 || !e.Follows(org, before.Hash) {
			return fmt.Errorf("%w: the entry %d does not follow the one before", ErrDiffers, e.Number)
		}
		before = chain.Head{Number: e.Number, Hash: e.Hash}
	}
	return nil
}

// line is an entry in an object. JSON of the entry is a text in it, because its hash is
// over the bytes.
type line struct {
	Number       int64     `json:"number"`
	ID           uuid.UUID `json:"id"`
	Missing      bool      `json:"missing,omitempty"`
	Action       string    `json:"action"`
	Outcome      string    `json:"outcome"`
	ActorType    string    `json:"actor_type"`
	ActorID      string    `json:"actor_id"`
	Targets      *string   `json:"targets"`
	Before       *string   `json:"before"`
	After        *string   `json:"after"`
	RequestID    string    `json:"request_id"`
	Microseconds int64     `json:"microseconds"`
	PersonalHash string    `json:"personal_hash"`
	Hash         string    `json:"hash"`
}

// end is the last line of an object.
type end struct {
	Format       int       `json:"format"`
	Log          string    `json:"log"`
	Organization uuid.UUID `json:"organization"`
	First        int64     `json:"first"`
	Last         int64     `json:"last"`
	HashBefore   string    `json:"hash_before"`
	HeadHash     string    `json:"head_hash"`
}

// encode returns the object of a batch, and what is stored beside it.
func (b Batch) encode(log anchor.Log) ([]byte, bucket.Object) {
	var object bytes.Buffer
	zip := gzip.NewWriter(&object)
	lines := json.NewEncoder(zip)
	lines.SetEscapeHTML(false)
	for _, e := range b.Entries {
		_ = lines.Encode(line{ // texts and numbers into memory
			e.Number, e.Entry.UUID, e.Missing, e.Action, e.Outcome, e.ActorType, e.ActorID, text(e.Targets), text(e.Before), text(e.After),
			e.RequestID, e.CreatedAt.UnixMicro(), digits(e.Personal), digits(e.Hash),
		})
	}
	first, head := b.Entries[0].Number, b.Head()
	_ = lines.Encode(end{format, log.String(), log.Org.UUID, first, head.Number, digits(b.Before.Hash), digits(head.Hash)})
	_ = zip.Close()
	return object.Bytes(), bucket.Object{ContentType: "application/x-ndjson", Encoding: "gzip", Metadata: map[string]string{
		"first": strconv.FormatInt(first, 10), "last": strconv.FormatInt(head.Number, 10), "head-hash": digits(head.Hash),
	}}
}

// maxObject bounds what an object that is read may have, zipped or not.
const maxObject = 256 << 20

// decode reads the object of a log and verifies it by itself.
func decode(log anchor.Log, object []byte) (b Batch, err error) {
	zip, err := gzip.NewReader(bytes.NewReader(object))
	if err != nil {
		return b, fmt.Errorf("archive.decode: %w", err)
	}
	lines := json.NewDecoder(io.LimitReader(zip, maxObject))
	var last end
	for {
		var raw json.RawMessage
		switch err := lines.Decode(&raw); {
		case errors.Is(err, io.EOF):
			return b, b.fits(log, last)
		case err != nil:
			return b, fmt.Errorf("archive.decode: %w", err)
		}
		var l line
		if err := errors.Join(json.Unmarshal(raw, &l), json.Unmarshal(raw, &last)); err != nil {
			return b, fmt.Errorf("archive.decode: %w", err)
		}
		if last.Format == 0 {
			b.Entries = append(b.Entries, l.entry())
		}
	}
}

// fits completes a batch with what its last line says, and compares both.
func (b *Batch) fits(log anchor.Log, last end) error {
	if last.Format != format || last.Log != log.String() || last.Organization != log.Org.UUID || len(b.Entries) == 0 {
		return fmt.Errorf("%w: the object is not of this log, or has no end", ErrDiffers)
	}
	b.Before = chain.Head{Number: last.First - 1, Hash: hashOf(last.HashBefore)}
	if err := b.check(log.Org); err != nil {
		return err
	}
	if (b.Head() != chain.Head{Number: last.Last, Hash: hashOf(last.HeadHash)}) {
		return fmt.Errorf("%w: the object's last line is not of its last entry", ErrDiffers)
	}
	return nil
}

func (l line) entry() chain.Linked {
	return chain.Linked{
		Number: l.Number, Entry: id.AuditEntry{UUID: l.ID}, Missing: l.Missing, Action: l.Action, Outcome: l.Outcome, ActorType: l.ActorType, ActorID: l.ActorID,
		Targets: raw(l.Targets), Before: raw(l.Before), After: raw(l.After), RequestID: l.RequestID, CreatedAt: time.UnixMicro(l.Microseconds).UTC(),
		Personal: hashOf(l.PersonalHash), Hash: hashOf(l.Hash),
	}
}

func text(json []byte) *string {
	if json == nil {
		return nil
	}
	return new(string(json))
}

func raw(text *string) []byte {
	if text == nil {
		return nil
	}
	return []byte(*text)
}

func digits(h record.Hash) string { return hex.EncodeToString(h[:]) }

// hashOf reads a hash; one that is malformed is zeros, which no entry has.
func hashOf(digits string) (h record.Hash) {
	if b, err := hex.DecodeString(digits); err == nil && len(b) == len(h) {
		copy(h[:], b)
	}
	return h
}
