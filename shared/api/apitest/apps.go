package apitest

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/auth"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// Resource is the address that the API of the harness has for apps.
const Resource = "https://api.portico.example"

func (h *Harness) newApps(client *dynamodb.Client) *oauth.Apps {
	grants := oauth.NewStore(dynamo.NewSorted(client, h.apps, "pk", "sk"), testkit.Box(h.T), h.Clock)
	return &oauth.Apps{Grants: grants, Clients: oauth.NewClients(h.App, h.Clock), Resource: Resource}
}

// NewApp registers an app of the organization that is for every organization.
func (c Caller) NewApp(permissions string) id.OAuthClient {
	c.T.Helper()
	text := c.Make("/v1/oauth-clients", `{"name":"Invoices","kind":"web","redirect_uris":["https://app.example.com/callback"],"permissions":[`+permissions+`],"published":true}`)
	client, err := id.Parse[id.OAuthClient](text)
	testkit.Must(c.T, err)
	return client
}

// AsApp returns a caller with an access token of an app: in the name of a member, or
// zero: in its own.
func (c Caller) AsApp(client id.OAuthClient, member string, scopes ...auth.Permission) Caller {
	c.T.Helper()
	c, _ = c.AsGranted(client, member, scopes...)
	return c
}

// AsGranted does the same and returns the grant, which is listed if it is a member's. The
// member has just signed in.
func (c Caller) AsGranted(client id.OAuthClient, member string, scopes ...auth.Permission) (Caller, id.OAuthGrant) {
	c.T.Helper()
	g := oauth.Grant{Client: client, Org: c.Org, Resource: Resource}
	for _, scope := range scopes {
		g.Scopes = append(g.Scopes, string(scope))
	}
	if member != "" {
		g.ProvedAt = c.Clock.Now()
		testkit.Must(c.T, g.Member.UnmarshalText([]byte(member)))
		g.User = testkit.Value[id.User](c.T, c.Database, `SELECT user_id FROM member WHERE id = $1`, g.Member)
	}
	tokens, err := c.Server.Apps.Grants.Issue(c.T.Context(), &g)
	testkit.Must(c.T, err)
	if member != "" {
		c.InOrg(c.T, c.Org, func(ctx context.Context, tx pg.Tx) error {
			_, err := oauth.InsertRow(ctx, tx, c.Org, g, "Invoices")
			return err
		})
	}
	c.Key, c.As = tokens.Access, nil
	return c, g.ID
}
