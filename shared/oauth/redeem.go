package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"regexp"

	"portico/shared/id"
)

// verifierForm is what RFC 7636 lets a verifier be.
var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// Redemption is what an app brings besides its code.
type Redemption struct {
	Client             id.OAuthClient
	Redirect, Verifier string
	Check              func(Grant) error // may refuse before the code is used up; nil: it does not
}

// Redeem gives an app the first tokens of a grant for its code. Of several tries at once
// one gets them. A second try takes the grant away, as long as a code could be on its way:
// somebody else may have it.
func (s *Store) Redeem(ctx context.Context, code string, r Redemption) (Grant, Tokens, error) {
	t, err := parse(code)
	if err != nil || t.kind != authorization || !s.now().Before(t.end.Add(kept)) {
		return Grant{}, Tokens{}, errUngranted
	}
	g, err := s.read(ctx, t, r.Client)
	if err != nil {
		return Grant{}, Tokens{}, err
	}
	if err := g.check(s.now()); err != nil {
		return Grant{}, Tokens{}, err
	}
	if g.Generation > 0 {
		return Grant{}, Tokens{}, s.reused(ctx, g)
	}
	if !s.now().Before(t.end) {
		return Grant{}, Tokens{}, errUngranted
	}
	if err := r.check(g); err != nil {
		return Grant{}, Tokens{}, err
	}
	next, won, err := s.advance(ctx, g)
	switch {
	case err != nil:
		return Grant{}, Tokens{}, err
	case !won:
		return Grant{}, Tokens{}, s.reused(ctx, g)
	}
	return next, next.tokens(s.now()), nil
}

// check returns why the grant's code is not for whoever brings it.
func (r Redemption) check(g Grant) error {
	sum := sha256.Sum256([]byte(r.Verifier))
	right := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case r.Redirect != g.Redirect:
		return errUngranted
	case !verifierForm.MatchString(r.Verifier), subtle.ConstantTimeCompare([]byte(right), []byte(g.Challenge)) != 1:
		return Error{InvalidGrant, "code_verifier does not belong to the code_challenge"}
	case r.Check != nil:
		return r.Check(g)
	}
	return nil
}
