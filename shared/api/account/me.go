package account

import (
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
)

// GetMe is GET /v1/me.
var GetMe = edge.Self[struct{}, meOutput]{
	Op: edge.Op{
		ID: "getMe", Method: http.MethodGet, Path: "/v1/me", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Cost: 1, Tag: Tag, Summary: "Get your account", Description: "#getMe",
	},
	Handle: func(c *edge.Call, _ *struct{}) (*meOutput, error) { return me(c, nil) },
}

// UpdateMe is PATCH /v1/me.
var UpdateMe = edge.Self[updateMeInput, meOutput]{
	Op: edge.Op{
		ID: "updateMe", Method: http.MethodPatch, Path: "/v1/me", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Cost: 1, Audit: identity.UpdateUser, Tag: Tag, Summary: "Change your name",
		Description: "Organizations keep the name that they have given to you as their member.",
		Example:     `{"name":"Ada Lovelace"}`,
	},
	Handle: func(c *edge.Call, in *updateMeInput) (*meOutput, error) {
		return me(c, func(tx pg.Tx) error {
			return identity.Update(c, tx, c.Caller.User, in.Body.Name, c.Origin(), c.Now())
		})
	},
}

type updateMeInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"200" doc:"Your name." example:"Ada Lovelace"`
	}
}

// Resolve keeps the input for Check.
func (in *updateMeInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

// Check refuses names that mislead.
func (in *updateMeInput) Check(*edge.Call) error { return edge.CheckName("body.name", &in.Body.Name) }

type accountBody struct {
	ID             id.User      `json:"id" doc:"Your id." example:"usr_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Email          string       `json:"email" doc:"Your e-mail address." example:"ada@example.com"`
	Name           string       `json:"name" doc:"Your name." example:"Ada Lovelace"`
	OrganizationID *id.Org      `json:"organization_id" doc:"The organization for which you call; null: none." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	MemberID       *id.Member   `json:"member_id" doc:"As which member of it; null: none." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Factors        factorsBody  `json:"factors" doc:"With what you can sign in."`
	LastSignInAt   *clock.Stamp `json:"last_sign_in_at" format:"date-time" doc:"When you last signed in."`
	CreatedAt      clock.Stamp  `json:"created_at" format:"date-time" doc:"When the account was made."`
}

type factorsBody struct {
	Password         bool `json:"password" doc:"Whether there is a password."`
	TOTP             bool `json:"totp" doc:"Whether there is an authenticator app."`
	Passkeys         int  `json:"passkeys" doc:"How many passkeys there are." example:"1"`
	RecoveryCodes    int  `json:"recovery_codes" doc:"How many recovery codes still work." example:"10"`
	ProviderAccounts int  `json:"provider_accounts" doc:"How many accounts at other providers are linked." example:"1"`
}

type meOutput struct{ Body accountBody }

// me runs change, unless it is nil, and shows the account as it is then.
func me(c *edge.Call, change func(pg.Tx) error) (*meOutput, error) {
	var p identity.Profile
	err := c.AsSelf(func(tx pg.Tx) (err error) {
		if change != nil {
			if err := change(tx); err != nil {
				return err
			}
		}
		p, err = identity.GetProfile(c, tx, c.Caller.User)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &meOutput{Body: accountBody{
		ID: p.User, Email: p.Email, Name: p.Name, LastSignInAt: stampOf(p.LastSignInAt), CreatedAt: clock.Stamp(p.CreatedAt),
		Factors: factorsBody{p.Factors.Password, p.Factors.TOTP, p.Factors.Passkeys, p.Factors.RecoveryCodes, p.Factors.Identities},
	}}
	if m := c.Caller.Member(); !m.IsZero() {
		out.Body.OrganizationID, out.Body.MemberID = &c.Caller.Org, &m
	}
	return out, nil
}

// stampOf returns a time, or nil for none.
func stampOf(t time.Time) *clock.Stamp {
	if t.IsZero() {
		return nil
	}
	return new(clock.Stamp(t))
}
