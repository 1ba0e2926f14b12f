// Package signingkey holds the keys with which the authorization server signs ID tokens. They
// are rows of the table signing_key, at home, sealed.
//
// A key signs for 90 days. The next one is made and published seven days before it signs, and
// the one before stays published for seven days, so that whoever has read the keys lately can
// check every signature.
package signingkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	signsFor = 90 * 24 * time.Hour
	// overlap is how long a key is published before it signs, and afterwards.
	overlap = 7 * 24 * time.Hour
)

// row is a key as Postgres has it.
type row struct {
	Number     int
	Sealed     []byte
	SealedSalt []byte
	SignsFrom  time.Time
	SignsUntil time.Time
}

// key is a key that was opened.
type key struct {
	number      int
	private     *ecdsa.PrivateKey
	id          string // the thumbprint of the public part (RFC 7638)
	salt        []byte
	from, until time.Time
}

func keyContext(number int) string  { return fmt.Sprintf("signing_key:%d", number) }
func saltContext(number int) string { return fmt.Sprintf("signing_key salt:%d", number) }

// open opens a key and derives its public part.
func (r *Ring) open(of row) (k key, err error) {
	wrong := func(err error) (key, error) { return key{}, fmt.Errorf("signingkey: key %d: %w", of.Number, err) }
	k = key{number: of.Number, from: of.SignsFrom, until: of.SignsUntil}
	text, err := r.Box.Open(of.Sealed, keyContext(of.Number))
	if err != nil {
		return wrong(err)
	}
	if k.salt, err = r.Box.Open(of.SealedSalt, saltContext(of.Number)); err != nil {
		return wrong(err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(text)
	if err != nil {
		return wrong(err)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return wrong(errors.New("it is not of P-256"))
	}
	public := jose.JSONWebKey{Key: private.Public()}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return wrong(err)
	}
	k.private, k.id = private, base64.RawURLEncoding.EncodeToString(thumbprint)
	return k, nil
}

// draw returns the key after another one, sealed; before is nil for the first one. If
// nobody has needed a key for long, it signs at once.
func (r *Ring) draw(before *key, now time.Time) (row, error) {
	next := row{Number: 1, SignsFrom: now.Truncate(time.Second)} // Postgres would round
	salt := make([]byte, 32)
	_, _ = rand.Read(salt) // never fails
	if before != nil {
		next.Number, salt = before.number+1, before.salt
		if before.until.After(now) {
			next.SignsFrom = before.until
		}
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return row{}, err
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	next.Sealed, next.SealedSalt = r.Box.Seal(text, keyContext(next.Number)), r.Box.Seal(salt, saltContext(next.Number))
	next.SignsUntil = next.SignsFrom.Add(signsFor)
	return next, err
}
