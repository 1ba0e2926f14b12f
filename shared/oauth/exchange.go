package oauth

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/pg"
)

// errClient is returned for an app that does not prove who it is.
var errClient = Error{InvalidClient, "the app is not known, or its secret is wrong"}

// Proof is how an app says who it is; Secret "": it sends none.
type Proof struct{ ID, Secret string }

// Authenticate returns the app. A native app has no secret to prove it with. It calls
// stranger before it costs a statement to find out whether there is such an app; an error of
// stranger is returned.
func (d *Desk) Authenticate(ctx context.Context, p Proof, stranger func() error) (Registered, error) {
	var client id.OAuthClient
	if client.UnmarshalText([]byte(p.ID)) != nil {
		return Registered{}, errClient
	}
	found, err := d.Clients.find(ctx, client, stranger)
	switch {
	case errors.Is(err, ErrNotFound):
		return Registered{}, errClient
	case err != nil:
		return Registered{}, err
	case found.Kind == Native && p.Secret != "", found.Kind == Web && !found.HasSecret(p.Secret, d.Clock.Now()):
		return Registered{}, errClient
	}
	return found, nil
}

// Exchange answers a request for tokens.
func (d *Desk) Exchange(ctx context.Context, c Registered, form url.Values, by audit.Origin) (g Grant, t Tokens, err error) {
	if form.Has("resource") && form.Get("resource") != d.Resource {
		return g, t, Error{InvalidTarget, "resource must be the address of this API"}
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		g, t, err = d.Grants.Redeem(ctx, form.Get("code"), Redemption{
			Client: c.ID, Redirect: form.Get("redirect_uri"), Verifier: form.Get("code_verifier"),
			Check: func(g Grant) error { return d.identifiable(ctx, g) },
		})
	case "refresh_token":
		g, t, err = d.Grants.Refresh(ctx, form.Get("refresh_token"), c.ID, func(g Grant) error {
			return cmp.Or(d.refreshable(ctx, c, g, form), d.identifiable(ctx, g))
		})
		g.Nonce = "" // belongs to the first ID token
	case "client_credentials":
		g, t, err = d.forItself(ctx, c, form)
	case "":
		err = Error{InvalidRequest, "grant_type is missing"}
	default:
		err = Error{UnsupportedGrantType, "grant_type must be authorization_code, refresh_token or client_credentials"}
	}
	if err != nil {
		return g, t, d.ended(ctx, err, by)
	}
	t.ID, err = d.identify(ctx, c, g, t.Access)
	return g, t, err
}

// ended tells the app no more of a grant that was revoked than that it is none. The
// organization's log has why.
func (d *Desk) ended(ctx context.Context, err error, by audit.Origin) error {
	var revoked Revoked
	if !errors.As(err, &revoked) {
		return err
	}
	if err := d.note(ctx, revoked.Grant, revoked.Why, by); err != nil {
		return err
	}
	return errUngranted
}

// refreshable refuses a grant that gives its app nothing any more, before its refresh
// token is used up.
func (d *Desk) refreshable(ctx context.Context, c Registered, g Grant, form url.Values) error {
	if scope := ordered(strings.Fields(form.Get("scope"))); len(scope) > 0 && strings.Join(scope, " ") != g.Scope() {
		return Error{InvalidScope, "the scopes of a grant are fixed: leave scope out"}
	}
	if !c.mayActIn(g.Org) {
		return errUngranted
	}
	err := d.DB.InOrg(ctx, g.Org, func(tx pg.Tx) error {
		_, err := member.Subject(ctx, tx, g.Org, g.Member)
		return err
	})
	if errors.Is(err, member.ErrNotFound) {
		return errUngranted
	}
	return err
}

// forItself gives an app an access token for its own organization.
func (d *Desk) forItself(ctx context.Context, c Registered, form url.Values) (Grant, Tokens, error) {
	g := Grant{Client: c.ID, Org: c.Org, Scopes: ordered(strings.Fields(form.Get("scope"))), Resource: d.Resource}
	if c.Kind != Web {
		return g, Tokens{}, Error{UnauthorizedClient, "a native app has no secret, so it cannot act for itself"}
	}
	if len(g.Scopes) == 0 {
		for _, p := range c.Permissions {
			g.Scopes = append(g.Scopes, string(p))
		}
	}
	if len(g.Permissions()) < len(g.Scopes) {
		return g, Tokens{}, Error{InvalidScope, "an app for itself can ask for permissions only"}
	}
	if err := c.checkScopes(g.Scopes); err != nil {
		return g, Tokens{}, err
	}
	t, err := d.Grants.Issue(ctx, &g)
	return g, t, err
}

// Revoke takes away the grant of one of the app's tokens (RFC 7009). A token that is none
// is no error.
func (d *Desk) Revoke(ctx context.Context, c Registered, token string, by audit.Origin) error {
	g, _, _, err := d.Grants.Of(ctx, token, c.ID)
	if err != nil || g.ID.IsZero() {
		return err
	}
	if err := d.Grants.Revoke(ctx, g.ID, ByClient); err != nil {
		return err
	}
	return d.note(ctx, g, ByClient, by)
}

// Status is what an app learns of one of its tokens (RFC 7662).
type Status struct {
	Grant   Grant
	End     time.Time
	OK      bool
	Subject string // of the person; "": the app acts for itself
}

// Introspect returns the status of a token. Of another app's token it says no more than
// of junk.
func (d *Desk) Introspect(ctx context.Context, c Registered, token string) (Status, error) {
	if c.Kind != Web {
		return Status{}, errClient
	}
	g, end, ok, err := d.Grants.Of(ctx, token, c.ID)
	if err != nil || !ok {
		return Status{}, err
	}
	return d.status(ctx, c, g, end)
}

// IntrospectIn does the same for an organization, of the tokens of all apps that act in it.
func (d *Desk) IntrospectIn(ctx context.Context, org id.Org, token string) (Status, error) {
	g, end, ok, err := d.Grants.Of(ctx, token, id.OAuthClient{})
	if err != nil || !ok || g.Org != org {
		return Status{}, err
	}
	c, err := d.Clients.Get(ctx, g.Client)
	switch {
	case errors.Is(err, ErrNotFound):
		return Status{}, nil
	case err != nil:
		return Status{}, err
	}
	return d.status(ctx, c, g, end)
}

// status returns the status of a token of a grant that has not ended.
func (d *Desk) status(ctx context.Context, c Registered, g Grant, end time.Time) (s Status, err error) {
	s = Status{Grant: g, End: end, OK: true}
	if g.Member.IsZero() {
		return s, nil
	}
	err = d.refreshable(ctx, c, g, nil)
	switch {
	case errors.Is(err, errUngranted):
		return Status{}, nil
	case err != nil:
		return Status{}, err
	}
	s.Subject, err = d.Keys.Subject(ctx, c.Org, g.User)
	return s, err
}
