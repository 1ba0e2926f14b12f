package oauth

import (
	"net/http"
	"slices"

	"portico/shared/api/edge"
	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/oauth"
)

// Create is POST /v1/oauth-clients.
var Create = edge.Write[createInput, createdOutput]{
	Op: edge.Op{
		ID: "createOAuthClient", Method: http.MethodPost, Path: "/v1/oauth-clients", Function: function,
		Faults:     []*fault.Error{oauth.ErrTooMany, apikey.ErrGrantExceeded},
		Example:    `{"name":"Invoices","kind":"web","redirect_uris":["https://invoices.example.com/callback"],"permissions":["events:read"]}`,
		Permission: auth.OAuthClientsWrite, Fresh: true, Cost: 1, Audit: "oauth_client.create", Status: http.StatusCreated,
		Tag: Tag, Summary: "Register an OAuth client", Description: "#createOAuthClient",
	},
	Handle: create,
}

// List is GET /v1/oauth-clients.
var List = edge.Read[edge.Page, listOutput]{
	Op: edge.Op{
		ID: "listOAuthClients", Method: http.MethodGet, Path: "/v1/oauth-clients", Function: function,
		Permission: auth.OAuthClientsRead, Cost: 1, Access: "oauth_client.read", Tag: Tag, Summary: "List OAuth clients",
	},
	Handle: list,
}

// Get is GET /v1/oauth-clients/{id}.
var Get = edge.Read[ClientPath, clientOutput]{
	Op: edge.Op{
		ID: "getOAuthClient", Method: http.MethodGet, Path: "/v1/oauth-clients/{id}", Function: function,
		Faults:     []*fault.Error{oauth.ErrNotFound},
		Permission: auth.OAuthClientsRead, Cost: 1, Access: "oauth_client.read", Tag: Tag, Summary: "Get an OAuth client",
	},
	Handle: get,
}

// Update is PATCH /v1/oauth-clients/{id}.
var Update = edge.Write[updateInput, clientOutput]{
	Op: edge.Op{
		ID: "updateOAuthClient", Method: http.MethodPatch, Path: "/v1/oauth-clients/{id}", Function: function,
		Faults:     []*fault.Error{oauth.ErrNotFound, apikey.ErrGrantExceeded},
		Example:    `{"name":"Invoices","published":true}`,
		Permission: auth.OAuthClientsWrite, Fresh: true, Cost: 1, Audit: "oauth_client.update",
		Tag: Tag, Summary: "Change an OAuth client", Description: "#updateOAuthClient",
	},
	Handle: update,
}

// Delete is DELETE /v1/oauth-clients/{id}.
var Delete = edge.Write[ClientPath, struct{}]{
	Op: edge.Op{
		ID: "deleteOAuthClient", Method: http.MethodDelete, Path: "/v1/oauth-clients/{id}", Function: function,
		Faults:     []*fault.Error{oauth.ErrNotFound},
		Permission: auth.OAuthClientsWrite, Fresh: true, Cost: 1, Audit: "oauth_client.delete", Status: http.StatusNoContent,
		Tag: Tag, Summary: "Delete an OAuth client", Description: "#deleteOAuthClient",
	},
	Handle: remove,
}

// RotateSecret is POST /v1/oauth-clients/{id}/rotate-secret.
var RotateSecret = edge.Write[rotateInput, createdOutput]{
	Op: edge.Op{
		ID: "rotateOAuthClientSecret", Method: http.MethodPost, Path: "/v1/oauth-clients/{id}/rotate-secret", Function: function,
		Faults:     []*fault.Error{oauth.ErrNotFound, oauth.ErrNoSecret, apikey.ErrGrantExceeded},
		Example:    `{"overlap_seconds":86400}`,
		Permission: auth.OAuthClientsWrite, Fresh: true, Cost: 1, Audit: "oauth_client.rotate_secret",
		Tag: Tag, Summary: "Give an OAuth client a new secret", Description: "#rotateOAuthClientSecret",
	},
	Handle: rotateSecret,
}

// ClientPath names an OAuth client.
type ClientPath struct {
	ID id.OAuthClient `path:"id" doc:"The OAuth client's id." example:"app_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// OAuthClientBody is an OAuth client without its secret.
type OAuthClientBody struct {
	ID           id.OAuthClient    `json:"id" doc:"The client_id of OAuth." example:"app_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Name         string            `json:"name" doc:"Shown to people who are asked to let the app in." example:"Invoices"`
	Kind         string            `json:"kind" enum:"web,native" doc:"web: it runs on a server and keeps a secret; native: it runs on devices or in browsers, and has none."`
	RedirectURIs []string          `json:"redirect_uris" nullable:"false" doc:"#OAuthClient.redirect_uris" example:"[\"https://invoices.example.com/callback\"]"`
	Permissions  []auth.Permission `json:"permissions" nullable:"false" doc:"The most that the app may be granted." example:"[\"events:read\"]"`
	Published    bool              `json:"published" doc:"Whether other organizations may let the app in." example:"false"`
	OldSecretEnd *clock.Stamp      `json:"old_secret_ends_at" format:"date-time" doc:"Until when the secret before works; null: it does not."`
	CreatedAt    clock.Stamp       `json:"created_at" format:"date-time" doc:"When it was registered."`
	UpdatedAt    clock.Stamp       `json:"updated_at" format:"date-time" doc:"When it was last changed."`
}

type clientOutput struct{ Body OAuthClientBody }

type listOutput struct{ Body edge.List[OAuthClientBody] }

type createdOutput struct {
	Location string `header:"Location"`
	Body     struct {
		OAuthClientBody
		ClientSecret *string `json:"client_secret" doc:"The secret, which is never shown again; null: a native app has none." example:"pts_…"`
	}
}

func show(c oauth.Client) OAuthClientBody {
	return OAuthClientBody{
		ID: c.ID, Name: c.Name, Kind: c.Kind, RedirectURIs: c.RedirectURIs, Permissions: c.Permissions, Published: c.Published,
		OldSecretEnd: clock.StampOf(c.OldSecretEndsAt), CreatedAt: clock.Stamp(c.CreatedAt), UpdatedAt: clock.Stamp(c.UpdatedAt),
	}
}

func showSecret(c oauth.Client, plain string) *createdOutput {
	out := &createdOutput{Location: "/v1/oauth-clients/" + c.ID.String()}
	out.Body.OAuthClientBody = show(c)
	if plain != "" {
		out.Body.ClientSecret = &plain
	}
	return out
}

// fields lists what audit entries show of an OAuth client.
func fields(c oauth.Client) audit.Fields {
	return audit.Fields{"name": c.Name, "kind": c.Kind, "redirect_uris": c.RedirectURIs, "permissions": c.Permissions, "published": c.Published}
}

func target(client id.OAuthClient) audit.Target { return audit.Of("oauth_client", client) }

// giveable refuses an app that may be granted more than the caller has, because whoever
// registers an app can act as it. So does a key that ends or has addresses, as an app has
// neither.
func giveable(c *edge.Call, permissions ...auth.Permission) error {
	_, own, err := c.LockKey(id.APIKey{})
	if err != nil {
		return err
	}
	// A person gives self, which nobody else has.
	others := slices.DeleteFunc(slices.Clone(permissions), func(p auth.Permission) bool { return p == auth.Self })
	return own.Check(apikey.APIKey{Permissions: others})
}

func create(c *edge.Call, in *createInput) (*createdOutput, error) {
	b := in.Body
	client := oauth.Client{Name: b.Name, Kind: b.Kind, RedirectURIs: append([]string{}, b.RedirectURIs...), Permissions: in.permissions, Published: b.Published}
	if err := giveable(c, client.Permissions...); err != nil {
		return nil, err
	}
	plain := client.Register(c.Now())
	c.Audit(nil, fields(client), target(client.ID))
	return showSecret(client, plain), oauth.Insert(c, c.Tx, c.Org, client)
}

func list(c *edge.Call, in *edge.Page) (*listOutput, error) {
	var after id.OAuthClient
	if err := c.Position("oauth_clients", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	clients, err := oauth.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listOutput{Body: edge.ListOf(clients, in.Limit, show, func(last oauth.Client) *string {
		return c.Cursor("oauth_clients", last.ID.UUID)
	})}, nil
}

func get(c *edge.Call, in *ClientPath) (*clientOutput, error) {
	client, err := oauth.Get(c, c.Tx, c.Org, in.ID)
	return &clientOutput{Body: show(client)}, err
}

func update(c *edge.Call, in *updateInput) (*clientOutput, error) {
	before, err := oauth.Lock(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	after := in.apply(before, c.Now())
	if err := oauth.CheckRedirects(after.Kind, after.RedirectURIs); err != nil {
		return nil, err
	}
	if err := giveable(c, slices.Concat(before.Permissions, after.Permissions)...); err != nil {
		return nil, err
	}
	c.Audit(fields(before), fields(after), target(after.ID))
	return &clientOutput{Body: show(after)}, oauth.Save(c, c.Tx, c.Org, after)
}

func remove(c *edge.Call, in *ClientPath) (*struct{}, error) {
	client, err := oauth.Lock(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(fields(client), nil, target(client.ID))
	return nil, oauth.Delete(c, c.Tx, c.Org, client.ID)
}

func rotateSecret(c *edge.Call, in *rotateInput) (*createdOutput, error) {
	client, err := oauth.Lock(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	if err := giveable(c, client.Permissions...); err != nil {
		return nil, err
	}
	overlap := in.overlap()
	plain, err := client.RotateSecret(overlap, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"secret": audit.Changed, "overlap_seconds": overlap.Seconds()}, target(client.ID))
	return showSecret(client, plain), oauth.Save(c, c.Tx, c.Org, client)
}
