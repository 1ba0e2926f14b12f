package oauth

import (
	"context"
	"errors"
	"strings"

	"portico/shared/auth"
	"portico/shared/fault"
)

// Apps knows which app calls the API.
type Apps struct {
	Grants  *Store
	Clients *Clients
	// Resource is the address of the API, which tokens must be for; "": none is accepted.
	Resource string
}

// ErrToken is returned for an access token that gives no access.
var ErrToken = fault.New(fault.Unauthenticated, "access_token_invalid", "This access token is not valid: it has ended, was revoked, or is for another API. Refresh it, or ask the person again.").
	Means("The access token of an OAuth client has ended, was revoked, or is for another API.")

// Caller returns the app that calls with an access token, or ErrToken. In the name of a
// member it may do what that member may, within the scopes.
func (a *Apps) Caller(ctx context.Context, token string) (auth.Caller, error) {
	g, err := a.Grants.Access(ctx, token, a.Resource)
	if err != nil {
		return auth.Caller{}, invalid(err)
	}
	client, err := a.Clients.Get(ctx, g.Client)
	switch {
	case errors.Is(err, ErrNotFound):
		return auth.Caller{}, ErrToken.Because(err)
	case err != nil:
		return auth.Caller{}, err
	case !client.mayActIn(g.Org):
		return auth.Caller{}, ErrToken.Because(errors.New("the app is not published"))
	}
	caller := auth.Caller{
		Org: g.Org, Actor: auth.Actor{Type: auth.OAuthClient, ID: g.Client.String(), Name: client.Name},
		Scope: g.within(client.Permissions),
	}
	if g.Member.IsZero() {
		caller.Rights = caller.Scope
	} else {
		caller.For, caller.Proved = auth.Actor{Type: auth.Member, ID: g.Member.String()}, g.ProvedAt
	}
	return caller, nil
}

// within returns the permissions of the grant that the app may still have, never nil.
func (g Grant) within(most []auth.Permission) auth.Set {
	return auth.Bounded{Authority: g.Permissions(), By: most}.Gives()
}

// invalid returns the fault for a token that is not accepted; other errors stay.
func invalid(err error) error {
	var (
		known   Error
		revoked Revoked
	)
	if errors.As(err, &known) || errors.As(err, &revoked) {
		return ErrToken.Because(err)
	}
	return fault.ErrAway.Saying("Access tokens cannot be checked at the moment. Send the request again.").Because(err)
}

// MetadataPath is where the API says which authorization server it trusts (RFC 9728).
const MetadataPath = "/.well-known/oauth-protected-resource"

// Challenge is the header that tells whoever calls without a valid token where to get one.
// parameters are others that it has.
func (a *Apps) Challenge(parameters ...string) string {
	if a.Resource != "" {
		parameters = append([]string{`resource_metadata="` + strings.TrimSuffix(a.Resource, "/") + MetadataPath + `"`}, parameters...)
	}
	return strings.TrimSpace("Bearer " + strings.Join(parameters, ", "))
}
