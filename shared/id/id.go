// Package id holds the identifiers of every noun. In Postgres an identifier is a
// UUIDv7 or UUIDv8; outside it is a TypeID (https://github.com/jetify-com/typeid, spec v0.3): the
// noun's prefix, an underscore and 26 characters of lower-case base32.
package id

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Noun gives an ID its type and its prefix.
type Noun interface{ Prefix() string }

// ID identifies one thing of noun N. The zero ID identifies nothing.
type ID[N Noun] struct{ uuid.UUID }

// The nouns.
type (
	orgNoun      struct{}
	apiKeyNoun   struct{}
	endpointNoun struct{}
	secretNoun   struct{}
	eventNoun    struct{}
	deliveryNoun struct{}
	auditNoun    struct{}
	memberNoun   struct{}
	userNoun     struct{}
	roleNoun     struct{}
	grantNoun    struct{}
	staffKeyNoun struct{}
	domainNoun   struct{}
	mailNoun     struct{}
	jobNoun      struct{}
	suppression  struct{}
	recovery     struct{}
	consumerNoun struct{}
	erasureNoun  struct{}
	streamNoun   struct{}
	exportNoun   struct{}
	scheduleNoun struct{}
	userEvent    struct{}
	passkeyNoun  struct{}
	sessionNoun  struct{}
	oauthClient  struct{}
	oauthGrant   struct{}
	ssoNoun      struct{}
	ssoTrace     struct{}
	invitation   struct{}
	staffAccess  struct{}
	directUser   struct{}
	directGroup  struct{}
)

func (orgNoun) Prefix() string      { return "org" }
func (apiKeyNoun) Prefix() string   { return "key" }
func (endpointNoun) Prefix() string { return "we" }
func (secretNoun) Prefix() string   { return "whs" }
func (eventNoun) Prefix() string    { return "evt" }
func (deliveryNoun) Prefix() string { return "dlv" }
func (auditNoun) Prefix() string    { return "aud" }
func (memberNoun) Prefix() string   { return "mem" }
func (userNoun) Prefix() string     { return "usr" }
func (roleNoun) Prefix() string     { return "role" }
func (grantNoun) Prefix() string    { return "grant" }
func (staffKeyNoun) Prefix() string { return "staff" }
func (domainNoun) Prefix() string   { return "dom" }
func (mailNoun) Prefix() string     { return "mail" }
func (jobNoun) Prefix() string      { return "job" }
func (suppression) Prefix() string  { return "sup" }
func (recovery) Prefix() string     { return "rec" }
func (consumerNoun) Prefix() string { return "ec" }
func (erasureNoun) Prefix() string  { return "era" }
func (streamNoun) Prefix() string   { return "ast" }
func (exportNoun) Prefix() string   { return "aex" }
func (scheduleNoun) Prefix() string { return "aes" }
func (userEvent) Prefix() string    { return "uev" }
func (passkeyNoun) Prefix() string  { return "pky" }
func (sessionNoun) Prefix() string  { return "ses" }
func (oauthClient) Prefix() string  { return "app" }
func (oauthGrant) Prefix() string   { return "ogr" }
func (ssoNoun) Prefix() string      { return "sso" }
func (ssoTrace) Prefix() string     { return "sst" }
func (invitation) Prefix() string   { return "inv" }
func (staffAccess) Prefix() string  { return "sac" }
func (directUser) Prefix() string   { return "dru" }
func (directGroup) Prefix() string  { return "drg" }

// The identifiers.
type (
	Org                 = ID[orgNoun]
	APIKey              = ID[apiKeyNoun]
	WebhookEndpoint     = ID[endpointNoun]
	WebhookSecret       = ID[secretNoun]
	Event               = ID[eventNoun]
	Delivery            = ID[deliveryNoun]
	AuditEntry          = ID[auditNoun]
	Member              = ID[memberNoun]
	User                = ID[userNoun]
	Role                = ID[roleNoun]
	ResourceGrant       = ID[grantNoun]
	StaffKey            = ID[staffKeyNoun]
	Domain              = ID[domainNoun]
	Mail                = ID[mailNoun]
	Job                 = ID[jobNoun]
	Suppression         = ID[suppression]
	Recovery            = ID[recovery]
	EventConsumer       = ID[consumerNoun]
	Erasure             = ID[erasureNoun]
	AuditStream         = ID[streamNoun]
	AuditExport         = ID[exportNoun]
	AuditExportSchedule = ID[scheduleNoun]
	UserEvent           = ID[userEvent]
	Passkey             = ID[passkeyNoun]
	Session             = ID[sessionNoun]
	OAuthClient         = ID[oauthClient]
	OAuthGrant          = ID[oauthGrant]
	SSOConnection       = ID[ssoNoun]
	SSOTrace            = ID[ssoTrace]
	Invitation          = ID[invitation]
	StaffAccess         = ID[staffAccess]
	DirectoryUser       = ID[directUser]
	DirectoryGroup      = ID[directGroup]
)

// New returns a fresh UUIDv7 for t, with the fraction of the millisecond in
// rand_a (RFC 9562, section 6.2, method 3): ids of different microseconds sort
// by time. 62 bits are random.
func New[I ~struct{ uuid.UUID }](t time.Time) I { return I{V7(t)} }

// V7 does the same for a row without a noun, because only Portico sees its id.
func V7(t time.Time) (u uuid.UUID) {
	_, _ = rand.Read(u[8:]) // never fails
	putMillis(&u, t.UnixMilli())
	fraction := t.Nanosecond() % 1_000_000 * 4096 / 1_000_000
	u[6] = byte(fraction>>8) | 0x70
	u[7] = byte(fraction)
	u[8] = u[8]&0x3f | 0x80
	return u
}

// Floor returns the smallest id that New makes for t, and for no earlier microsecond:
// ids made at t or later are not before it. A time before 1970 counts as 1970.
func Floor[I ~struct{ uuid.UUID }](t time.Time) I {
	if t.Before(time.UnixMilli(0)) {
		t = time.UnixMilli(0)
	}
	u := V7(t)
	clear(u[8:])
	return I{u}
}

// Derive returns an id made from a text. The same text always gives the same id,
// so that a repeated request finds its row again. The id is a UUIDv8 (RFC 9562,
// section 5.8) with 122 bits of the text's SHA-256; it contains no time.
func Derive[I ~struct{ uuid.UUID }](text string) I {
	sum := sha256.Sum256([]byte(text))
	u := uuid.UUID(sum[:16])
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return I{u}
}

func putMillis(u *uuid.UUID, ms int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(ms)<<16)
	copy(u[:6], b[:6])
}

// Bounds returns the smallest and the largest UUID that share i's millisecond.
func (i ID[N]) Bounds() (lo, hi uuid.UUID) {
	copy(lo[:6], i.UUID[:6])
	hi = uuid.Max
	copy(hi[:6], i.UUID[:6])
	return lo, hi
}

// Time returns the millisecond in which i was made.
func (i ID[N]) Time() time.Time {
	var b [8]byte
	copy(b[2:], i.UUID[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[:]))).UTC()
}

// Before reports whether i sorts before other, as Postgres compares them.
func (i ID[N]) Before(other ID[N]) bool { return bytes.Compare(i.UUID[:], other.UUID[:]) < 0 }

// IsZero reports whether i identifies nothing.
func (i ID[N]) IsZero() bool { return i.UUID == uuid.Nil }

// alphabet is Crockford's base32 in lower case, as the TypeID spec requires.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

func (i ID[N]) String() string {
	var noun N
	prefix := noun.Prefix()
	out := make([]byte, len(prefix)+27)
	copy(out, prefix)
	out[len(prefix)] = '_'
	// 128 bits in 26 characters of 5 bits: the first two bits are zero.
	hi, lo := binary.BigEndian.Uint64(i.UUID[:8]), binary.BigEndian.Uint64(i.UUID[8:])
	for k := len(out) - 1; k > len(prefix); k-- {
		out[k] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out)
}

var errForm = errors.New("malformed id")

// Parse reads an id in the form String gives; nothing else is accepted.
func Parse[I any, P interface {
	*I
	UnmarshalText([]byte) error
}](s string) (I, error) {
	var i I
	err := P(&i).UnmarshalText([]byte(s))
	return i, err
}

// MarshalText writes the TypeID.
func (i ID[N]) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads the TypeID; the error says which form is expected. It
// refuses the zero id, which means «none» in the code.
func (i *ID[N]) UnmarshalText(text []byte) error {
	var noun N
	rest, ok := strings.CutPrefix(string(text), noun.Prefix()+"_")
	if !ok || len(rest) != 26 || rest[0] > '7' {
		return fmt.Errorf("%w: expected %s_ and 26 characters", errForm, noun.Prefix())
	}
	var hi, lo uint64
	for _, c := range []byte(rest) {
		v := strings.IndexByte(alphabet, c)
		if v < 0 {
			return fmt.Errorf("%w: expected %s_ and 26 characters of 0-9 and a-z without i, l, o, u", errForm, noun.Prefix())
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	if hi|lo == 0 {
		return fmt.Errorf("%w: expected %s_ and an id that exists, not zeros", errForm, noun.Prefix())
	}
	binary.BigEndian.PutUint64(i.UUID[:8], hi)
	binary.BigEndian.PutUint64(i.UUID[8:], lo)
	return nil
}

// Form returns the form of an id as a regular expression and in words. Only the id of
// zeros has it and is refused all the same.
func (i ID[N]) Form() (pattern, words string) {
	var noun N
	return "^" + noun.Prefix() + "_[0-7][0-9a-hjkmnp-tv-z]{25}$", noun.Prefix() + "_ and 26 characters of 0-9 and a-z without i, l, o, u"
}

// Scan hides the Scan of uuid.UUID, so that pgx uses ScanUUID for the binary form.
func (i *ID[N]) Scan(src any) error { return i.UUID.Scan(src) }

// ScanUUID implements pgtype.UUIDScanner; NULL is the zero id.
func (i *ID[N]) ScanUUID(v pgtype.UUID) error {
	i.UUID = v.Bytes
	return nil
}

// UUIDValue implements pgtype.UUIDValuer; the zero id is NULL.
func (i ID[N]) UUIDValue() (pgtype.UUID, error) {
	return pgtype.UUID{Bytes: i.UUID, Valid: !i.IsZero()}, nil
}
