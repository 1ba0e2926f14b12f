// Package secret seals what must never lie in a store in clear: signing
// secrets, stored replies, cursors. AES-256-GCM under a versioned key; the
// context (organization, row) is authenticated with it, so a sealed value
// cannot be moved to another row.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// minMaterial is the least number of characters of key material: GenerateSecretString
// draws 64 of 62 kinds, 381 bits; 43 still hold 256.
const minMaterial = 43

// Box seals and opens. It is safe for concurrent use.
type Box struct {
	current byte
	keys    map[byte]cipher.AEAD
}

// ErrSealed is returned for a value that this box did not seal, that was
// changed, or that belongs elsewhere.
var ErrSealed = errors.New("secret: value cannot be opened")

// Parse reads the keys from the form kept in Secrets Manager:
// {"current":"2","1":"<material>","2":"<material>"}. Versions are 1 to 255;
// old ones stay as long as something sealed with them exists.
func Parse(text []byte) (*Box, error) {
	var fields map[string]string
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, errors.New("secret: the sealing secret is not a JSON object of strings")
	}
	b := &Box{keys: map[byte]cipher.AEAD{}}
	for name, material := range fields {
		if name == "current" {
			continue
		}
		version, err := strconv.ParseUint(name, 10, 8)
		if err != nil || strconv.FormatUint(version, 10) != name || version == 0 || len(material) < minMaterial {
			return nil, fmt.Errorf("secret: the sealing secret has a bad key version %q: want 1 to 255 and at least %d characters", name, minMaterial)
		}
		key := sha256.Sum256([]byte("portico sealing key\n" + material))
		block, err := aes.NewCipher(key[:])
		if err != nil {
			return nil, err
		}
		if b.keys[byte(version)], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	current, err := strconv.ParseUint(fields["current"], 10, 8)
	if err != nil || b.keys[byte(current)] == nil {
		return nil, errors.New(`secret: the sealing secret names no key as "current"`)
	}
	b.current = byte(current)
	return b, nil
}

// Seal returns version, nonce and ciphertext of plain, bound to context.
func (b *Box) Seal(plain []byte, context string) []byte {
	aead := b.keys[b.current]
	out := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0] = b.current
	if _, err := rand.Read(out[1:]); err != nil {
		panic("secret: no randomness: " + err.Error()) // crypto/rand never fails on Linux
	}
	return aead.Seal(out, out[1:], plain, []byte(context))
}

// Open returns what Seal was given, or ErrSealed.
func (b *Box) Open(sealed []byte, context string) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, ErrSealed
	}
	aead := b.keys[sealed[0]]
	if aead == nil || len(sealed) < 1+aead.NonceSize() {
		return nil, ErrSealed
	}
	nonce, text := sealed[1:1+aead.NonceSize()], sealed[1+aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, text, []byte(context))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}
