// Package record is an audit entry as it is hashed: the bytes as they are stored, its
// place in the chain, and its line in an export. It needs no database, so that a chain
// can be verified anywhere. docs/audit.md describes the hashes and the lines.
package record

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"time"

	"portico/shared/id"
)

// Hash is SHA-256, or HMAC with it.
type Hash [sha256.Size]byte

// version is the first byte of all that is hashed. Another format gets another one.
const version = 1

// Entry is an audit entry as the chain sees it: the bytes as they are stored.
type Entry struct {
	ID        id.AuditEntry
	Found     bool // false: it was deleted before it was chained
	Action    string
	Outcome   string
	ActorType string
	ActorID   string
	Targets   []byte
	Before    []byte // nil: none
	After     []byte // nil: none
	RequestID string
	CreatedAt time.Time

	// The personal fields. Salt is nil if they were erased.
	Name      *string
	SourceIP  *netip.Addr
	UserAgent string
	Salt      []byte
}

// Personal returns the salted hash of the personal fields. Without a salt it is zero:
// the fields were erased before the entry was chained.
func (e *Entry) Personal() (sum Hash) {
	if e.Salt == nil {
		return sum
	}
	h := hmac.New(sha256.New, e.Salt)
	h.Write([]byte{version, 'p'})
	writeText(h, e.Name)
	if e.SourceIP == nil {
		writeText(h, nil)
	} else {
		writeField(h, []byte(e.SourceIP.String()))
	}
	writeField(h, []byte(e.UserAgent))
	return Hash(h.Sum(nil))
}

// IsErased reports whether the personal fields are empty and have no salt.
func (e *Entry) IsErased() bool {
	return e.Salt == nil && e.Name == nil && e.SourceIP == nil && e.UserAgent == ""
}

// Digest returns the hash of the entry, with that of its personal fields in their
// place.
func (e *Entry) Digest(personal Hash) Hash {
	h := sha256.New()
	h.Write([]byte{version, 'e'})
	writeField(h, e.ID.UUID[:])
	for _, text := range []string{e.Action, e.Outcome, e.ActorType, e.ActorID} {
		writeField(h, []byte(text))
	}
	writeField(h, e.Targets)
	writeField(h, e.Before)
	writeField(h, e.After)
	writeField(h, []byte(e.RequestID))
	writeField(h, binary.BigEndian.AppendUint64(nil, uint64(e.CreatedAt.UnixMicro())))
	writeField(h, personal[:])
	return Hash(h.Sum(nil))
}

// Link returns the hash of the entry with this digest at this place.
func Link(org id.Org, number int64, before, digest Hash) Hash {
	b := append(make([]byte, 0, 128), version, 'l')
	b = append(b, org.UUID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(number))
	b = append(b, before[:]...)
	return sha256.Sum256(append(b, digest[:]...))
}

func writeText(h hash.Hash, text *string) {
	if text == nil {
		writeField(h, nil)
		return
	}
	writeField(h, []byte(*text))
}

// writeField writes the length of a field and then the field, so that no two lists of
// fields have the same bytes. The length of a missing one, nil, is 0xffffffff.
func writeField(h hash.Hash, field []byte) {
	length := uint32(len(field))
	if field == nil {
		length = 1<<32 - 1
	}
	h.Write(binary.BigEndian.AppendUint32(nil, length))
	h.Write(field)
}
