package signingkey

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Algorithm is the one with which all keys sign.
const Algorithm = string(jose.ES256)

// Ring is all keys. Each environment has one, and reads the keys once in five minutes.
type Ring struct {
	DB    *pg.DB
	Box   *secret.Box
	Clock *clock.Clock

	mu   sync.Mutex
	keys []key // the oldest first
	read time.Time
}

// trusted is how long an environment uses the keys that it has read.
const trusted = 5 * time.Minute

// Ready returns nil if there is a key that signs. The first one is made when it is needed.
func (r *Ring) Ready(ctx context.Context) error {
	_, _, err := r.current(ctx)
	return err
}

// Sign returns a JWT with these claims.
func (r *Ring) Sign(ctx context.Context, claims any) (string, error) {
	_, k, err := r.current(ctx)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("signingkey: %w", err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signingkey: %w", err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", fmt.Errorf("signingkey: %w", err)
	}
	return signed.CompactSerialize()
}

// Public returns the public parts of all keys that sign, will sign, or have signed lately.
func (r *Ring) Public(ctx context.Context) (set jose.JSONWebKeySet, err error) {
	keys, _, err := r.current(ctx)
	for _, k := range keys {
		if r.Clock.Now().Before(k.until.Add(overlap)) {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: Algorithm, Use: "sig"})
		}
	}
	return set, err
}

// Subject returns the name by which the apps of one publisher know a person. Two publishers
// cannot find out that they know the same one, and it tells nothing of the person.
func (r *Ring) Subject(ctx context.Context, publisher id.Org, user id.User) (string, error) {
	_, k, err := r.current(ctx)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, k.salt)
	mac.Write(publisher.UUID[:])
	mac.Write(user.UUID[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// signs returns the key that signs, or nil.
func signs(keys []key, now time.Time) *key {
	for i, k := range keys {
		if !now.Before(k.from) && now.Before(k.until) {
			return &keys[i]
		}
	}
	return nil
}

// current returns all keys and the one that signs.
func (r *Ring) current(ctx context.Context) (all []key, now *key, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.Clock.Now()
	if age := at.Sub(r.read); age >= 0 && age < trusted {
		if k := signs(r.keys, at); k != nil {
			return r.keys, k, nil
		}
	}
	keys, err := r.load(ctx)
	if err == nil && due(keys, at) {
		keys, err = r.renew(ctx, keys, at)
	}
	if err == nil && signs(keys, at) == nil {
		err = errors.New("no key signs now")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("signingkey: %w", err)
	}
	r.keys, r.read = keys, at
	return keys, signs(keys, at), nil
}

// due reports whether the next key is to be made.
func due(keys []key, now time.Time) bool {
	return len(keys) == 0 || !now.Before(keys[len(keys)-1].until.Add(-overlap))
}

// renew makes the next key and returns all. If another process has made it, that one
// counts. As long as a key signs, it may fail.
func (r *Ring) renew(ctx context.Context, keys []key, now time.Time) ([]key, error) {
	var before *key
	if len(keys) > 0 {
		before = &keys[len(keys)-1]
	}
	next, err := r.draw(before, now)
	if err == nil {
		err = pg.Exec(ctx, r.DB.Shared(), "signingkey.renew", `SELECT add_signing_key($1, $2, $3, $4, $5)`,
			next.Number, next.Sealed, next.SealedSalt, next.SignsFrom, next.SignsUntil)
	}
	if err != nil {
		if signs(keys, now) != nil {
			return keys, nil
		}
		return nil, err
	}
	return r.load(ctx)
}

func (r *Ring) load(ctx context.Context) ([]key, error) {
	rows, err := pg.List[row](ctx, r.DB.Shared(), "signingkey.load", `SELECT number, sealed, sealed_salt, signs_from, signs_until FROM signing_keys()`)
	if err != nil {
		return nil, err
	}
	keys := make([]key, len(rows))
	for i, of := range rows {
		if keys[i], err = r.open(of); err != nil {
			return nil, err
		}
	}
	return keys, nil
}
