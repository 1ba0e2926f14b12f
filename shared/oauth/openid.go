package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/member"
	"portico/shared/pg"
)

// idToken is the claims of an ID token (OpenID Connect Core, section 2).
type idToken struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Issued   int64  `json:"iat"`
	SignedIn int64  `json:"auth_time"`
	Nonce    string `json:"nonce,omitempty"`
	// AccessHash binds the access token that comes with it.
	AccessHash string   `json:"at_hash"`
	Methods    []string `json:"amr,omitempty"`
}

// identifiable returns why no ID token can be made for a grant that has one. It is asked
// before a code or a refresh token is used up.
func (d *Desk) identifiable(ctx context.Context, g Grant) error {
	if !g.HasScope(OpenID) {
		return nil
	}
	return d.Keys.Ready(ctx)
}

// identify returns the ID token of a grant, which comes with an access token; "": it has none.
func (d *Desk) identify(ctx context.Context, c Registered, g Grant, access string) (string, error) {
	if !g.HasScope(OpenID) {
		return "", nil
	}
	subject, err := d.Keys.Subject(ctx, c.Org, g.User)
	if err != nil {
		return "", err
	}
	now, sum := d.Clock.Now(), sha256.Sum256([]byte(access))
	return d.Keys.Sign(ctx, idToken{
		Issuer: d.Resource, Subject: subject, Audience: c.ID.String(), Expires: now.Add(identFor).Unix(), Issued: now.Unix(), SignedIn: g.ProvedAt.Unix(),
		Nonce: g.Nonce, AccessHash: base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]), Methods: g.Methods,
	})
}

// UserInfo is what an app may know of the person of a grant (OpenID Connect Core, section 5.3).
type UserInfo struct {
	Client        id.OAuthClient `json:"-"`
	Subject       string         `json:"sub"`
	Name          string         `json:"name,omitempty"`
	Email         string         `json:"email,omitempty"`
	EmailVerified *bool          `json:"email_verified,omitempty"`
}

// UserInfo returns what the app with an access token may know of its person.
func (d *Desk) UserInfo(ctx context.Context, access string) (u UserInfo, err error) {
	wrong := Error{InvalidToken, "the access token has ended, was revoked, or is for another API"}
	g, err := d.Grants.Access(ctx, access, d.Resource)
	switch {
	case errors.As(err, new(Error)), errors.As(err, new(Revoked)):
		return u, wrong
	case err != nil:
		return u, err
	case !g.HasScope(OpenID):
		return UserInfo{Client: g.Client}, Error{InsufficientScope, "the access token lacks the scope openid"}
	}
	u.Client = g.Client
	client, err := d.Clients.Get(ctx, g.Client)
	switch {
	case errors.Is(err, ErrNotFound):
		return u, wrong
	case err != nil:
		return u, err
	case !client.mayActIn(g.Org):
		return u, wrong
	}
	var profile identity.About
	err = d.DB.InOrg(ctx, g.Org, func(tx pg.Tx) error {
		profile, err = identity.AboutOf(ctx, tx, g.Org, g.Member)
		return err
	})
	switch {
	case errors.Is(err, member.ErrNotFound), errors.Is(err, identity.ErrNoLogin):
		return u, wrong
	case err != nil:
		return u, err
	}
	if g.HasScope(Profile) {
		u.Name = profile.Name
	}
	if g.HasScope(Email) {
		u.Email, u.EmailVerified = profile.Email, &profile.EmailVerified
	}
	u.Subject, err = d.Keys.Subject(ctx, client.Org, g.User)
	return u, err
}
