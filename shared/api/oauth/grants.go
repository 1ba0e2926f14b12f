package oauth

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/oauth"
)

// ListGrants is GET /v1/oauth-grants.
var ListGrants = edge.Read[edge.Page, listGrantsOutput]{
	Op: edge.Op{
		ID: "listOAuthGrants", Method: http.MethodGet, Path: "/v1/oauth-grants", Function: function,
		Permission: auth.OAuthClientsRead, Cost: 1, Access: "oauth_grant.read", Tag: Tag, Summary: "List OAuth grants",
		Description: "Which apps members have let into the organization, with what they may do. Includes grants that were revoked.",
	},
	Handle: listGrants,
}

// DeleteGrant is DELETE /v1/oauth-grants/{id}.
var DeleteGrant = edge.Write[grantPath, struct{}]{
	Op: edge.Op{
		ID: "deleteOAuthGrant", Method: http.MethodDelete, Path: "/v1/oauth-grants/{id}", Function: function,
		Faults:     []*fault.Error{oauth.ErrGrantNotFound},
		Permission: auth.OAuthClientsWrite, Cost: 1, Audit: "oauth_grant.revoke", Status: http.StatusNoContent,
		Tag: Tag, Summary: "Revoke an OAuth grant", Description: "#deleteOAuthGrant",
	},
	Handle: deleteGrant,
}

type grantPath struct {
	ID id.OAuthGrant `path:"id" doc:"The OAuth grant's id." example:"ogr_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// OAuthGrantBody is an OAuth grant.
type OAuthGrantBody struct {
	ID         id.OAuthGrant  `json:"id" doc:"The OAuth grant's id." example:"ogr_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	ClientID   id.OAuthClient `json:"client_id" doc:"The app. Another organization may have registered it." example:"app_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	ClientName string         `json:"client_name" doc:"The app's name when the member let it in." example:"Invoices"`
	MemberID   id.Member      `json:"member_id" doc:"The member who has let the app in. It acts for this member." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Scopes     []string       `json:"scopes" nullable:"false" doc:"What the app may do, as far as the member may." example:"[\"events:read\",\"offline_access\"]"`
	Resource   string         `json:"resource" doc:"The API that the app may call." example:"https://api.example.com"`
	CreatedAt  clock.Stamp    `json:"created_at" format:"date-time" doc:"When the member let the app in."`
	EndsAt     clock.Stamp    `json:"ends_at" format:"date-time" doc:"When the app must ask again at the latest."`
	RevokedAt  *clock.Stamp   `json:"revoked_at" format:"date-time" doc:"When the grant was revoked; null if it was not."`
}

type listGrantsOutput struct{ Body edge.List[OAuthGrantBody] }

func showGrant(r oauth.Row) OAuthGrantBody {
	return OAuthGrantBody{
		ID: r.ID, ClientID: r.ClientID, ClientName: r.ClientName, MemberID: r.MemberID, Scopes: r.Scopes, Resource: r.Resource,
		CreatedAt: clock.Stamp(r.CreatedAt), EndsAt: clock.Stamp(r.EndsAt), RevokedAt: clock.StampOf(r.RevokedAt),
	}
}

func listGrants(c *edge.Call, in *edge.Page) (*listGrantsOutput, error) {
	var after id.OAuthGrant
	if err := c.Position("oauth_grants", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	rows, err := oauth.ListRows(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listGrantsOutput{Body: edge.ListOf(rows, in.Limit, showGrant, func(last oauth.Row) *string {
		return c.Cursor("oauth_grants", last.ID.UUID)
	})}, nil
}

// deleteGrant takes a grant away. DynamoDB hears of it last, but before the commit: so the
// reply is never earlier, and repeating the call completes what was left undone.
func deleteGrant(c *edge.Call, in *grantPath) (*struct{}, error) {
	row, err := oauth.RevokeRow(c, c.Tx, c.Org, in.ID, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"client_id": row.ClientID.String(), "member_id": row.MemberID.String(), "scopes": row.Scopes}, audit.Of("oauth_grant", row.ID))
	return nil, c.Apps.Grants.Revoke(c, row.ID, oauth.ByPerson)
}
