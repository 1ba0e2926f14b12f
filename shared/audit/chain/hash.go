// Package chain gives each audit entry its place in the chain of its organization:
// a number, and a hash over the entry and the hash before. One sequencer at a time
// does this for an organization, after the commit of the entry, so no mutation waits
// for another one. docs/audit.md describes the hashes for others who verify them.
package chain

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

// entry is an audit entry as the chain sees it: the bytes as they are stored.
type entry struct {
	id        id.AuditEntry
	found     bool // false: it was deleted before it was chained
	action    string
	outcome   string
	actorType string
	actorID   string
	targets   []byte
	before    []byte // nil: none
	after     []byte // nil: none
	requestID string
	createdAt time.Time

	// The personal fields. salt is nil if they were erased.
	name      *string
	sourceIP  *netip.Addr
	userAgent string
	salt      []byte
}

// columns are those that scan reads, of audit_entry as e.
const columns = `e.id IS NOT NULL, coalesce(e.action, ''), coalesce(e.outcome, ''), coalesce(e.actor_type, ''), coalesce(e.actor_id, ''),
	e.targets, e.before, e.after, coalesce(e.request_id, ''), coalesce(e.created_at, 'epoch'), e.actor_name, e.source_ip, coalesce(e.user_agent, ''), e.salt`

// fields are where to scan columns to.
func (e *entry) fields() []any {
	return []any{
		&e.found, &e.action, &e.outcome, &e.actorType, &e.actorID, &e.targets, &e.before, &e.after,
		&e.requestID, &e.createdAt, &e.name, &e.sourceIP, &e.userAgent, &e.salt,
	}
}

// personal returns the salted hash of the personal fields. Without a salt it is zero:
// the fields were erased before the entry was chained.
func (e *entry) personal() (sum Hash) {
	if e.salt == nil {
		return sum
	}
	h := hmac.New(sha256.New, e.salt)
	h.Write([]byte{version, 'p'})
	writeText(h, e.name)
	if e.sourceIP == nil {
		writeText(h, nil)
	} else {
		writeField(h, []byte(e.sourceIP.String()))
	}
	writeField(h, []byte(e.userAgent))
	return Hash(h.Sum(nil))
}

// isErased reports whether the personal fields are empty and have no salt.
func (e *entry) isErased() bool {
	return e.salt == nil && e.name == nil && e.sourceIP == nil && e.userAgent == ""
}

// digest returns the hash of the entry, with that of its personal fields in their
// place.
func (e *entry) digest(personal Hash) Hash {
	h := sha256.New()
	h.Write([]byte{version, 'e'})
	writeField(h, e.id.UUID[:])
	for _, text := range []string{e.action, e.outcome, e.actorType, e.actorID} {
		writeField(h, []byte(text))
	}
	writeField(h, e.targets)
	writeField(h, e.before)
	writeField(h, e.after)
	writeField(h, []byte(e.requestID))
	writeField(h, binary.BigEndian.AppendUint64(nil, uint64(e.createdAt.UnixMicro())))
	writeField(h, personal[:])
	return Hash(h.Sum(nil))
}

// link returns the hash of the entry with this digest at this place.
func link(org id.Org, number int64, before, digest Hash) Hash {
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
