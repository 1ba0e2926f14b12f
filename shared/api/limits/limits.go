// Package limits has the operations on rate limits: which there are, and the
// overrides of API keys and organizations.
package limits

import (
	"embed"
	"net/http"
	"time"

	"github.com/google/uuid"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/limit"
	"portico/shared/limit/override"
)

// Tag groups the operations in the documentation.
const Tag = "Limits"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

const function = "api-keys"

// List is GET /v1/limits.
var List = edge.Read[struct{}, listLimitsOutput]{
	Op: edge.Op{
		ID: "listLimits", Method: http.MethodGet, Path: "/v1/limits", Function: function,
		Permission: auth.LimitsRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "List your limits",
		Description: "#listLimits",
	},
	Handle: list,
}

// limitBody is a policy with the override of one key or organization.
type limitBody struct {
	Name          string  `json:"name" doc:"The limit's name, as replies and headers call it." example:"requests"`
	Scope         string  `json:"scope" enum:"api_key,organization,address" doc:"#Limit.scope"`
	Unit          string  `json:"unit" enum:"requests,expensive_requests,work_units" doc:"#Limit.unit"`
	Algorithm     string  `json:"algorithm" enum:"fixed_window,sliding_window,token_bucket" doc:"#Limit.algorithm"`
	Limit         int64   `json:"limit" doc:"How many units may be used in a window." example:"200"`
	WindowSeconds int     `json:"window_seconds" doc:"How long a window is." example:"1"`
	Burst         *int64  `json:"burst" doc:"How many units may be used at once; null: as many as the limit." example:"400"`
	DefaultLimit  int64   `json:"default_limit" doc:"The limit without overrides." example:"200"`
	StaffLimit    *int64  `json:"staff_limit" doc:"The limit that staff have set instead of the default; null: none."`
	OwnLimit      *int64  `json:"own_limit" doc:"The lower limit that your organization has set for its API key; null: none."`
	OverriddenBy  *string `json:"overridden_by" enum:"staff,organization" doc:"Who has set the limit that is in force; null: it is the default."`
}

type listLimitsOutput struct {
	Body struct {
		Data []limitBody `json:"data" nullable:"false" doc:"The limits, those of API keys first."`
	}
}

type limitOutput struct{ Body limitBody }

// LimitChange is the body that sets a limit.
type LimitChange struct {
	Limit int64 `json:"limit" minimum:"1" maximum:"100000000" doc:"How many units may be used in a window." example:"50"`
}

// showLimit shows a policy of the stage with an override.
func showLimit(p limit.Policy, o override.Override) limitBody {
	now := limit.Policies{p}.Override(override.Limits([]override.Override{o}, o.Subject))[0]
	b := limitBody{
		Name: p.Name, Scope: string(p.Scope), Unit: string(p.Unit), Algorithm: string(p.Algorithm),
		Limit: now.Limit, WindowSeconds: int(p.Window / time.Second), DefaultLimit: p.Limit, StaffLimit: o.Staff, OwnLimit: o.Own,
	}
	if p.Algorithm == limit.TokenBucket {
		b.Burst = &now.Burst
	}
	switch {
	case o.Own != nil && *o.Own < o.Ceiling(p):
		b.OverriddenBy = new("organization")
	case o.Staff != nil:
		b.OverriddenBy = new("staff")
	}
	return b
}

// showLimits shows the policies of a scope with the overrides of a subject.
func showLimits(c *edge.Call, scope limit.Scope, list []override.Override, subject uuid.UUID) []limitBody {
	shown := []limitBody{}
	for _, p := range c.Limits.Of(scope) {
		shown = append(shown, showLimit(p, override.Of(list, subject, p.Name)))
	}
	return shown
}

// policyOf returns the policy that the path names; it must be of this scope.
func policyOf(c *edge.Call, scope limit.Scope, name string) (limit.Policy, error) {
	p, ok := c.Limits.Of(scope).Named(name)
	if !ok {
		return p, override.ErrNotFound
	}
	return p, nil
}

// limitName is a policy's name as the target of an audit entry.
type limitName string

func (n limitName) String() string { return string(n) }

// limitFields lists what audit entries show of an override.
func limitFields(o override.Override) audit.Fields {
	return audit.Fields{"staff_limit": o.Staff, "own_limit": o.Own}
}

func list(c *edge.Call, _ *struct{}) (*listLimitsOutput, error) {
	own := c.Caller.APIKey().UUID // zero for staff, who have no overrides
	list, err := override.List(c, c.Tx, c.Org, own, c.Org.UUID)
	if err != nil {
		return nil, err
	}
	out := &listLimitsOutput{}
	out.Body.Data = showLimits(c, limit.ByKey, list, own)
	out.Body.Data = append(out.Body.Data, showLimits(c, limit.ByOrganization, list, c.Org.UUID)...)
	out.Body.Data = append(out.Body.Data, showLimits(c, limit.ByAddress, nil, uuid.Nil)...)
	return out, nil
}
