package oauth

import (
	"fmt"
	"slices"
	"time"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/oauth"
)

type createInput struct {
	Body struct {
		Name         string            `json:"name" minLength:"1" maxLength:"100" doc:"Shown to people who are asked to let the app in." example:"Invoices"`
		Kind         string            `json:"kind" enum:"web,native" doc:"web: it runs on a server and keeps a secret; native: it runs on devices or in browsers, and has none."`
		RedirectURIs []string          `json:"redirect_uris,omitempty" maxItems:"20" nullable:"false" doc:"#OAuthClient.redirect_uris" example:"[\"https://invoices.example.com/callback\"]"`
		Permissions  []auth.Permission `json:"permissions" maxItems:"100" nullable:"false" doc:"The most that the app may be granted. You must have them all." example:"[\"events:read\"]"`
		Published    bool              `json:"published,omitempty" doc:"Whether other organizations may let the app in."`
	}
	permissions []auth.Permission // set by Check
}

// Resolve hands the input to the frame.
func (in *createInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createInput) Check(*edge.Call) error {
	b := in.Body
	in.permissions = sorted(b.Permissions)
	return fault.Join(edge.CheckName("body.name", &b.Name), checkPermissions(b.Permissions), oauth.CheckRedirects(b.Kind, b.RedirectURIs))
}

type updateInput struct {
	ClientPath
	Body struct {
		Name         *string           `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"Shown to people who are asked to let the app in."`
		RedirectURIs []string          `json:"redirect_uris,omitempty" maxItems:"20" nullable:"false" doc:"#OAuthClient.redirect_uris"`
		Permissions  []auth.Permission `json:"permissions,omitempty" maxItems:"100" nullable:"false" doc:"The most that the app may be granted. You must have them all, and those that it has."`
		Published    *bool             `json:"published,omitempty" doc:"Whether other organizations may let the app in."`
	}
}

// Resolve hands the input to the frame.
func (in *updateInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *updateInput) Check(*edge.Call) error {
	return fault.Join(edge.CheckName("body.name", in.Body.Name), checkPermissions(in.Body.Permissions))
}

// apply returns the changed app.
func (in *updateInput) apply(c oauth.Client, now time.Time) oauth.Client {
	b := in.Body
	if b.Name != nil {
		c.Name = *b.Name
	}
	if b.RedirectURIs != nil {
		c.RedirectURIs = b.RedirectURIs
	}
	if b.Permissions != nil {
		c.Permissions = sorted(b.Permissions)
	}
	if b.Published != nil {
		c.Published = *b.Published
	}
	c.UpdatedAt = now
	return c
}

type rotateInput struct {
	ClientPath
	Body *struct {
		OverlapSeconds *int `json:"overlap_seconds,omitempty" minimum:"0" maximum:"604800" default:"86400" doc:"How long the old secret still works: at most seven days. Send 0 if it has leaked: it ends at once."`
	}
}

const defaultOverlap = 24 * time.Hour

func (in *rotateInput) overlap() time.Duration {
	if in.Body == nil || in.Body.OverlapSeconds == nil {
		return defaultOverlap
	}
	return time.Duration(*in.Body.OverlapSeconds) * time.Second
}

func sorted(list []auth.Permission) []auth.Permission {
	list = append([]auth.Permission{}, list...) // never nil
	slices.Sort(list)
	return slices.Compact(list)
}

func checkPermissions(list []auth.Permission) error {
	var faults []error
	for i, p := range list {
		if auth.Scopes()[p] == "" {
			faults = append(faults, fault.InvalidField(fmt.Sprintf("body.permissions[%d]", i), fmt.Sprintf("%q is not a permission. List them with GET /v1/permissions; also self is one", p)))
		}
	}
	return fault.Join(faults...)
}
