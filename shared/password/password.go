// Package password hashes people's passwords, and says which ones may be chosen.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"portico/shared/secret"
)

// Hash is a password as it is stored: argon2id of HMAC-SHA-256 of the password under a
// version of the pepper, in PHC form. Whoever has only the database cannot guess
// passwords, because the pepper is in Secrets Manager.
type Hash struct {
	PHC    string
	Pepper int // the version
}

// saltLen and sumLen are in bytes.
const (
	saltLen = 16
	sumLen  = 32
)

// Hasher makes and verifies hashes. It is safe for concurrent use, and makes one hash
// at a time, because each needs 19 MB.
type Hasher struct {
	pepper *secret.Box
	turn   chan struct{}
	made   atomic.Int64
	nobody phc
}

// NewHasher returns a hasher with the versions of the pepper that a box has.
func NewHasher(pepper *secret.Box) *Hasher {
	h := &Hasher{pepper: pepper, turn: make(chan struct{}, 1), nobody: phc{parameters: now, salt: make([]byte, saltLen), sum: make([]byte, sumLen)}}
	_, _ = rand.Read(h.nobody.salt) // never fails
	_, _ = rand.Read(h.nobody.sum)
	return h
}

// Hash returns a new hash of a password.
func (h *Hasher) Hash(ctx context.Context, password string) (Hash, error) {
	p := phc{parameters: now, salt: make([]byte, saltLen), sum: make([]byte, sumLen)}
	_, _ = rand.Read(p.salt)
	version := h.pepper.Current()
	sum, err := h.sum(ctx, password, version, p)
	if err != nil {
		return Hash{}, err
	}
	p.sum = sum
	return Hash{PHC: p.String(), Pepper: int(version)}, nil
}

// Verify reports whether a password is the one that was stored, and whether it should
// be hashed again, because parameters or pepper are older than those of today. The
// zero Hash belongs to nobody: it takes as long as any other and no password is right,
// so that nobody learns whether an address is known.
func (h *Hasher) Verify(ctx context.Context, password string, stored Hash) (right, old bool, err error) {
	p, version, current := h.nobody, h.pepper.Current(), h.pepper.Current()
	if stored != (Hash{}) {
		if p, err = parse(stored.PHC); err != nil {
			return false, false, err
		}
		if version = byte(stored.Pepper); int(version) != stored.Pepper {
			return false, false, fmt.Errorf("password: there is no version %d of a pepper", stored.Pepper)
		}
	}
	sum, err := h.sum(ctx, password, version, p)
	if err != nil {
		return false, false, err
	}
	right = subtle.ConstantTimeCompare(sum, p.sum) == 1
	return right, right && (p.parameters != now || version != current), nil
}

// Made returns how many hashes have been made.
func (h *Hasher) Made() int64 { return h.made.Load() }

// sum returns what a password becomes with salt and parameters of p. It waits until
// the hashes before it are made, as long as ctx allows.
func (h *Hasher) sum(ctx context.Context, password string, pepper byte, p phc) ([]byte, error) {
	mac, err := h.pepper.MAC(pepper, norm.NFC.Bytes([]byte(password)))
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	h.made.Add(1)
	return argon2.IDKey(mac, p.salt, p.time, p.memory, p.lanes, uint32(len(p.sum))), nil
}
