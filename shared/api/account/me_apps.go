package account

import (
	"errors"
	"net/http"

	"portico/shared/account"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/oauth"
)

// ListMyApps is GET /v1/me/apps.
var ListMyApps = edge.Self[struct{}, listAppsOutput]{
	Op: edge.Op{
		ID: "listMyApps", Method: http.MethodGet, Path: "/v1/me/apps", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Cost: 1, Tag: Tag, Summary: "List your apps", Description: "#listMyApps",
	},
	Handle: listMyApps,
}

// RevokeMyApp is DELETE /v1/me/apps/{id}.
var RevokeMyApp = edge.Self[appPath, struct{}]{
	Op: edge.Op{
		ID: "revokeMyApp", Method: http.MethodDelete, Path: "/v1/me/apps/{id}", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Cost: 1, Audit: identity.RevokeGrant, Status: http.StatusNoContent, Tag: Tag, Summary: "Take an app's access away",
		Description: "#revokeMyApp", Faults: []*fault.Error{errNoApp},
	},
	Handle: revokeMyApp,
}

var errNoApp = fault.New(fault.NotFound, "app_not_found", "You have let in no app with this id.").
	Means("The person who calls has not let in an app with this id, or its access ended long ago.")

type appPath struct {
	ID id.OAuthClient `path:"id" doc:"The app's id." example:"app_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type appBody struct {
	ID     id.OAuthClient `json:"id" doc:"The app's id." example:"app_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Name   string         `json:"name" doc:"The app's name when you last let it in." example:"Invoices"`
	Grants []appGrantBody `json:"grants" nullable:"false" doc:"Each time that you have let it in and it can still work, the newest first."`
}

type appGrantBody struct {
	ID               id.OAuthGrant `json:"id" doc:"The OAuth grant's id." example:"ogr_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	OrganizationID   id.Org        `json:"organization_id" doc:"The organization that you have let it into." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	OrganizationName string        `json:"organization_name" doc:"The organization's name." example:"Acme"`
	Scopes           []string      `json:"scopes" nullable:"false" doc:"What the app may do, as far as you may." example:"[\"events:read\",\"offline_access\"]"`
	CreatedAt        clock.Stamp   `json:"created_at" format:"date-time" doc:"When you let it in."`
	LastUsedAt       *clock.Stamp  `json:"last_used_at" format:"date-time" doc:"When the app last got tokens, which work for one hour; null: it has got none."`
	EndsAt           clock.Stamp   `json:"ends_at" format:"date-time" doc:"When the app must ask again at the latest."`
}

type listAppsOutput struct{ Body edge.List[appBody] }

func listMyApps(c *edge.Call, _ *struct{}) (*listAppsOutput, error) {
	list, err := deskOf(c).Apps.LetIn(c, c.Caller.User, id.Org{})
	return &listAppsOutput{edge.ListOf(list, len(list), showApp, nil)}, err
}

func showApp(a oauth.LetIn) appBody {
	b := appBody{ID: a.ID, Name: a.Name}
	for _, g := range a.Grants {
		b.Grants = append(b.Grants, appGrantBody{
			ID: g.ID, OrganizationID: g.Org, OrganizationName: g.Organization, Scopes: g.Scopes,
			CreatedAt: clock.Stamp(g.CreatedAt), LastUsedAt: clock.StampOf(g.UsedAt), EndsAt: clock.Stamp(g.EndsAt),
		})
	}
	return b
}

func revokeMyApp(c *edge.Call, in *appPath) (*struct{}, error) {
	err := deskOf(c).TakeAway(c, c.Caller.User, id.Org{}, in.ID, account.Visitor{Origin: c.Origin()})
	if errors.Is(err, oauth.ErrNotFound) {
		err = errNoApp
	}
	return nil, err
}
