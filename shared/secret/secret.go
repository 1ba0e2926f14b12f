// Package secret seals values that must not be stored in clear: signing secrets,
// stored replies, cursors. AES-256-GCM under a versioned key; the context
// (organization, row) is authenticated with it, so a sealed value cannot be moved
// to another row.
package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Box seals and opens. It is safe for concurrent use.
type Box struct {
	keys  atomic.Pointer[keyring]
	fetch func() ([]byte, error) // nil: the keys never change

	mu      sync.Mutex
	fetched time.Time // when a key version that was not known was last looked for
	failed  error     // why that did not succeed
}

// ErrSealed is returned when the value was not sealed with these keys, was changed,
// or belongs to another context.
var ErrSealed = errors.New("secret: value cannot be opened")

// fetchEvery bounds how often a box reads its keys again, because a forged cursor
// can name any key version.
const fetchEvery = time.Minute

// Parse returns a box of the keys in text, which never change.
func Parse(text []byte) (*Box, error) {
	keys, err := parse(text)
	if err != nil {
		return nil, err
	}
	b := &Box{}
	b.keys.Store(keys)
	return b, nil
}

// New returns a box with the keys that fetch reads. It reads them again, at most
// once a minute, if a value was sealed with a version that it does not know: the
// keys may have been rotated. fetch must have its own timeout: several requests
// may wait for its result, so it does not end with any of them.
func New(fetch func() ([]byte, error)) (*Box, error) {
	b := &Box{fetch: fetch}
	return b, b.read()
}

// read replaces the keys. If that fails the box keeps those that it has.
func (b *Box) read() error {
	text, err := b.fetch()
	if err != nil {
		return err
	}
	if err := CheckDrawn(text); err != nil {
		return err
	}
	keys, err := parse(text)
	if err != nil {
		return err
	}
	b.keys.Store(keys)
	return nil
}

// Seal returns version, nonce and ciphertext of plain, bound to context.
func (b *Box) Seal(plain []byte, context string) []byte {
	keys := b.keys.Load()
	aead := keys.of[keys.current]
	out := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = keys.current
	_, _ = rand.Read(out[1:]) // never fails
	return aead.Seal(out, out[1:], plain, []byte(context))
}

// Open returns what Seal was given, or an error that is ErrSealed and says why.
func (b *Box) Open(sealed []byte, context string) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, ErrSealed
	}
	aead, err := b.key(sealed[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	if len(sealed) < 1+aead.NonceSize() {
		return nil, ErrSealed
	}
	nonce, text := sealed[1:1+aead.NonceSize()], sealed[1+aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, text, []byte(context))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Current returns the version of today.
func (b *Box) Current() byte { return b.keys.Load().current }

// MAC returns the HMAC-SHA-256 of text under a version of the keys.
func (b *Box) MAC(version byte, text []byte) ([]byte, error) {
	key, err := b.key(version)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	mac := hmac.New(sha256.New, key.mac[:])
	mac.Write(text)
	return mac.Sum(nil), nil
}

// key returns a version, which other environments may know before this one.
func (b *Box) key(version byte) (*key, error) {
	if key := b.keys.Load().of[version]; key != nil {
		return key, nil
	}
	if err := b.look(version); err != nil {
		return nil, err
	}
	return b.keys.Load().of[version], nil
}

// look reads the keys again for a version that is not known.
func (b *Box) look(version byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys.Load().of[version] != nil {
		return nil // somebody else has just read it
	}
	if b.fetch != nil && (b.fetched.IsZero() || time.Since(b.fetched) >= fetchEvery) {
		b.failed = b.read()
		b.fetched = time.Now()
	}
	switch {
	case b.keys.Load().of[version] != nil:
		return nil
	case b.failed != nil:
		return fmt.Errorf("key version %d is not known, and the keys could not be read again: %w", version, b.failed)
	}
	return fmt.Errorf("the sealing secret has no key version %d", version)
}
