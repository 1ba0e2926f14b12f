package keys

import (
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
)

// Create is POST /v1/api-keys.
var Create = edge.Write[createAPIKeyInput, createdAPIKeyOutput]{
	Op: edge.Op{
		ID: "createAPIKey", Method: http.MethodPost, Path: "/v1/api-keys", Function: function,
		Faults:     []*fault.Error{apikey.ErrGrantExceeded, apikey.ErrTooMany},
		Example:    `{"name":"billing, production","permissions":["events:write"],"allowed_ips":["203.0.113.0/24"]}`,
		Permission: auth.APIKeysWrite, Fresh: true, Cost: 1, Audit: "api_key.create", Status: http.StatusCreated,
		Tag: Tag, Summary: "Create an API key",
		Description: "#createAPIKey",
	},
	Handle: create,
}

// List is GET /v1/api-keys.
var List = edge.Read[edge.Page, listAPIKeysOutput]{
	Op: edge.Op{
		ID: "listAPIKeys", Method: http.MethodGet, Path: "/v1/api-keys", Function: function,
		Permission: auth.APIKeysRead, Cost: 1, Access: "api_key.read", Tag: Tag, Summary: "List API keys",
		Description: "Includes expired and revoked keys.",
	},
	Handle: list,
}

// Get is GET /v1/api-keys/{id}.
var Get = edge.Read[APIKeyPath, apiKeyOutput]{
	Op: edge.Op{
		ID: "getAPIKey", Method: http.MethodGet, Path: "/v1/api-keys/{id}", Function: function,
		Faults:     []*fault.Error{apikey.ErrNotFound},
		Permission: auth.APIKeysRead, Cost: 1, Access: "api_key.read", Tag: Tag, Summary: "Get an API key",
	},
	Handle: get,
}

// Update is PATCH /v1/api-keys/{id}.
var Update = edge.Write[updateAPIKeyInput, apiKeyOutput]{
	Op: edge.Op{
		ID: "updateAPIKey", Method: http.MethodPatch, Path: "/v1/api-keys/{id}", Function: function,
		Faults:     []*fault.Error{apikey.ErrNotFound, apikey.ErrGrantExceeded, apikey.ErrEnded},
		Example:    `{"name":"billing","expires_at":"2099-12-31T00:00:00Z"}`,
		Permission: auth.APIKeysWrite, Fresh: true, Cost: 1, Audit: "api_key.update",
		Tag: Tag, Summary: "Change an API key",
		Description: "#updateAPIKey",
	},
	Handle: update,
}

// Rotate is POST /v1/api-keys/{id}/rotate.
var Rotate = edge.Write[rotateAPIKeyInput, createdAPIKeyOutput]{
	Op: edge.Op{
		ID: "rotateAPIKey", Method: http.MethodPost, Path: "/v1/api-keys/{id}/rotate", Function: function,
		Faults:     []*fault.Error{apikey.ErrNotFound, apikey.ErrGrantExceeded, apikey.ErrEnded, apikey.ErrReplaced, apikey.ErrTooMany},
		Example:    `{"overlap_seconds":86400}`,
		Permission: auth.APIKeysWrite, Fresh: true, Cost: 1, Audit: "api_key.rotate", Status: http.StatusCreated,
		Tag: Tag, Summary: "Replace an API key with a new one",
		Description: "#rotateAPIKey",
	},
	Handle: rotate,
}

// Revoke is POST /v1/api-keys/{id}/revoke.
var Revoke = edge.Write[APIKeyPath, apiKeyOutput]{
	Op: edge.Op{
		ID: "revokeAPIKey", Method: http.MethodPost, Path: "/v1/api-keys/{id}/revoke", Function: function,
		Faults:     []*fault.Error{apikey.ErrNotFound},
		Permission: auth.APIKeysWrite, Fresh: true, Cost: 1, Audit: "api_key.revoke",
		Tag: Tag, Summary: "Revoke an API key",
		Description: "#revokeAPIKey",
	},
	Handle: revoke,
}

// APIKeyPath names an API key.
type APIKeyPath struct {
	ID id.APIKey `path:"id" doc:"The API key's id, not the key itself." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// APIKeyBody is an API key without its plain text.
type APIKeyBody struct {
	ID          id.APIKey         `json:"id" doc:"The API key's id, not the key itself." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Name        string            `json:"name" doc:"A name that tells people which key it is." example:"billing, production"`
	KeyStart    string            `json:"key_start" doc:"The key's first characters, to recognise it by." example:"ptc_Ab12"`
	Status      string            `json:"status" enum:"active,expiring,expired,revoked" doc:"expiring: it still works, and expires within seven days."`
	Permissions []auth.Permission `json:"permissions" nullable:"false" doc:"The key's permissions." example:"[\"events:write\"]"`
	AllowedIPs  []string          `json:"allowed_ips" nullable:"false" doc:"The IP addresses and prefixes that may use the key; empty: any address." example:"[\"203.0.113.0/24\"]"`
	CreatedAt   clock.Stamp       `json:"created_at" format:"date-time" doc:"When the key was created."`
	LastUsedAt  *clock.Stamp      `json:"last_used_at" format:"date-time" doc:"#APIKey.last_used_at"`
	ExpiresAt   *clock.Stamp      `json:"expires_at" format:"date-time" doc:"When the key expires; null: never."`
	RevokedAt   *clock.Stamp      `json:"revoked_at" format:"date-time" doc:"When the key was revoked; null if it was not."`
	ReplacedBy  *id.APIKey        `json:"replaced_by" doc:"The id of the key that replaced it by rotation; null if there is none."`
}

type apiKeyOutput struct{ Body APIKeyBody }

type listAPIKeysOutput struct{ Body edge.List[APIKeyBody] }

type createdAPIKeyOutput struct {
	Location string `header:"Location"`
	Body     struct {
		APIKeyBody
		Key string `json:"key" doc:"Send it as Authorization: Bearer. It is never shown again." example:"ptc_…"`
	}
}

func showAPIKey(k apikey.APIKey, u apikey.Usage, now time.Time) APIKeyBody {
	b := APIKeyBody{
		ID: k.ID, Name: k.Name, KeyStart: k.KeyStart, Status: k.Status(now), Permissions: k.Permissions,
		AllowedIPs: append([]string{}, k.AllowedIPs...), CreatedAt: clock.Stamp(k.CreatedAt),
		LastUsedAt: clock.StampOf(u.LastUsedAt), ExpiresAt: clock.StampOf(k.ExpiresAt), RevokedAt: clock.StampOf(k.RevokedAt),
	}
	if u.Denied {
		b.Status = apikey.Revoked // its revocation has begun; its row may not say so yet
	}
	if !k.ReplacedBy.IsZero() {
		b.ReplacedBy = &k.ReplacedBy
	}
	return b
}

// apiKeyFields lists what audit entries show of a key.
func apiKeyFields(k apikey.APIKey) audit.Fields {
	return audit.Fields{
		"name": k.Name, "permissions": k.Permissions, "allowed_ips": k.AllowedIPs,
		"expires_at": clock.StampOf(k.ExpiresAt), "revoked_at": clock.StampOf(k.RevokedAt),
	}
}

func apiKeyTarget(key id.APIKey) audit.Target { return audit.Of("api_key", key) }

func list(c *edge.Call, in *edge.Page) (*listAPIKeysOutput, error) {
	var after id.APIKey
	if err := c.Position("api_keys", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	keys, err := apikey.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	usage, err := c.Keys.Usage(c, keys[:min(in.Limit, len(keys))])
	if err != nil {
		return nil, err
	}
	now := c.Now()
	show := func(k apikey.Stored) APIKeyBody { return showAPIKey(k.APIKey, usage[k.Hash], now) }
	return &listAPIKeysOutput{Body: edge.ListOf(keys, in.Limit, show, func(last apikey.Stored) *string {
		return c.Cursor("api_keys", last.ID.UUID)
	})}, nil
}

func get(c *edge.Call, in *APIKeyPath) (*apiKeyOutput, error) {
	key, err := apikey.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	return replyKey(c, key)
}

// replyKey shows a key as it is stored.
func replyKey(c *edge.Call, k apikey.Stored) (*apiKeyOutput, error) {
	usage, err := c.Keys.Usage(c, []apikey.Stored{k})
	if err != nil {
		return nil, err
	}
	return &apiKeyOutput{Body: showAPIKey(k.APIKey, usage[k.Hash], c.Now())}, nil
}
