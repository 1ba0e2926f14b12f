package limits

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/limit/override"
)

// ListOfKey is GET /v1/api-keys/{id}/limits.
var ListOfKey = edge.Read[KeyPath, listLimitsOutput]{
	Op: edge.Op{
		ID: "listAPIKeyLimits", Method: http.MethodGet, Path: "/v1/api-keys/{id}/limits", Function: function,
		Faults:     []*fault.Error{apikey.ErrNotFound},
		Permission: auth.APIKeysRead, Cost: 1, Access: "api_key.read", Tag: Tag, Summary: "List the limits of an API key",
		Description: "Those that count this API key's calls.",
	},
	Handle: listOfKey,
}

// SetOfKey is PUT /v1/api-keys/{id}/limits/{policy}.
var SetOfKey = edge.Write[setOfKeyInput, limitOutput]{
	Op: edge.Op{
		ID: "setAPIKeyLimit", Method: http.MethodPut, Path: "/v1/api-keys/{id}/limits/{policy}", Function: function,
		Faults:     []*fault.Error{apikey.ErrNotFound, apikey.ErrGrantExceeded, apikey.ErrEnded, override.ErrNotFound},
		Example:    `{"limit":50}`,
		Permission: auth.APIKeysWrite, Fresh: true, Cost: 1, Audit: "limit.override", Tag: Tag, Summary: "Set a limit of an API key",
		Description: "#setAPIKeyLimit",
	},
	Handle: func(c *edge.Call, in *setOfKeyInput) (*limitOutput, error) {
		return changeOfKey(c, in.KeyLimitPath, &in.Body.Limit)
	},
}

// ResetOfKey is DELETE /v1/api-keys/{id}/limits/{policy}.
var ResetOfKey = edge.Write[KeyLimitPath, limitOutput]{
	Op: edge.Op{
		ID: "resetAPIKeyLimit", Method: http.MethodDelete, Path: "/v1/api-keys/{id}/limits/{policy}", Function: function,
		Faults:     []*fault.Error{apikey.ErrNotFound, apikey.ErrGrantExceeded, apikey.ErrEnded, override.ErrNotFound},
		Permission: auth.APIKeysWrite, Fresh: true, Cost: 1, Audit: "limit.reset", Tag: Tag, Summary: "Reset a limit of an API key",
		Description: "#resetAPIKeyLimit",
	},
	Handle: func(c *edge.Call, in *KeyLimitPath) (*limitOutput, error) { return changeOfKey(c, *in, nil) },
}

// KeyPath names an API key.
type KeyPath struct {
	ID id.APIKey `path:"id" doc:"The API key's id, not the key itself." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// KeyLimitPath names a limit of an API key.
type KeyLimitPath struct {
	KeyPath
	Policy string `path:"policy" maxLength:"100" doc:"The limit's name; its scope must be api_key." example:"requests"`
}

type setOfKeyInput struct {
	KeyLimitPath
	Body struct{ LimitChange }
}

func listOfKey(c *edge.Call, in *KeyPath) (*listLimitsOutput, error) {
	k, err := apikey.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	list, err := override.List(c, c.Tx, c.Org, k.ID.UUID)
	if err != nil {
		return nil, err
	}
	out := &listLimitsOutput{}
	out.Body.Data = showLimits(c, limit.ByKey, list, k.ID.UUID)
	return out, nil
}

// changeOfKey sets a key's limit, or removes it if to is nil: that of staff if they
// call and may change limits, otherwise the organization's own.
func changeOfKey(c *edge.Call, in KeyLimitPath, to *int64) (*limitOutput, error) {
	p, err := policyOf(c, limit.ByKey, in.Policy)
	if err != nil {
		return nil, err
	}
	k, grant, err := c.LockKey(in.ID)
	if err != nil {
		return nil, err
	}
	if k.ID.IsZero() {
		return nil, apikey.ErrNotFound
	}
	if _, err := k.Apply(apikey.Change{}, grant, c.Now()); err != nil {
		return nil, err
	}
	list, err := override.List(c, c.Tx, c.Org, k.ID.UUID)
	if err != nil {
		return nil, err
	}
	before := override.Of(list, k.ID.UUID, p.Name)
	after := before
	if c.Caller.IsStaff() && c.Caller.May(auth.LimitsWrite) {
		after.Staff = to
	} else if after, err = before.Lower(p, to); err != nil {
		return nil, err
	}
	if err := override.Save(c, c.Tx, c.Org, k.ID, after); err != nil {
		return nil, err
	}
	c.Audit(limitFields(before), limitFields(after), audit.Of("api_key", k.ID), audit.Of("limit", limitName(p.Name)))
	c.ProjectKey(k.Hash)
	return &limitOutput{Body: showLimit(p, after)}, c.Keys.Forget(c, k.Hash)
}
