// Package users has the operations with which staff find, suspend and let in people.
package users

import (
	"embed"
	"errors"
	"net/http"
	"time"

	"portico/shared/account"
	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail"
	"portico/shared/oauth"
	"portico/shared/staff"
)

// Tag groups the operations in the documentation.
const Tag = "Users"

// Texts are descriptions, each below the heading that stands for it in Go.
//
//go:embed *.md
var Texts embed.FS

// function reaches sessions and how people sign in.
const function = "identity"

// List is GET /v1/users.
var List = edge.Read[usersInput, usersOutput]{
	Op: edge.Op{
		ID: "listUsers", Method: http.MethodGet, Path: "/v1/users", Function: function, Acts: edge.OnPlatform,
		Permission: auth.UsersRead, Cost: 1, Access: "user.read", Tag: Tag, Summary: "Find a person by their address",
		Description: "Who has signed up with the address, in one entry at most.",
	},
	Handle: listUsers,
}

// Suspend is POST /v1/users/{id}/suspend.
var Suspend = edge.Write[suspendInput, userOutput]{
	Op: edge.Op{
		ID: "suspendUser", Method: http.MethodPost, Path: "/v1/users/{id}/suspend", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{errNoUser, errUserIsStaff},
		Example:    `{"reason":"Ticket 4711: the account sends spam"}`,
		Permission: auth.UsersWrite, Fresh: true, Cost: 1, Audit: "user.suspend", Tag: Tag, Summary: "Suspend a person",
		Description: "#suspendUser",
	},
	Handle: suspend,
}

// Unsuspend is POST /v1/users/{id}/unsuspend.
var Unsuspend = edge.Write[suspendInput, userOutput]{
	Op: edge.Op{
		ID: "unsuspendUser", Method: http.MethodPost, Path: "/v1/users/{id}/unsuspend", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{errNoUser},
		Example:    `{"reason":"Ticket 4711: the owner has the account back"}`,
		Permission: auth.UsersWrite, Fresh: true, Cost: 1, Audit: "user.unsuspend", Tag: Tag, Summary: "Let a suspended person in",
		Description: "They sign in again with what they signed in with before. Whoever is not suspended stays so.",
	},
	Handle: unsuspend,
}

var (
	errNoUser = fault.New(fault.NotFound, "user_not_found", "Nobody who signs in has this id. Find the person with GET /v1/users?email=….").
			Means("Nobody who signs in has this id.")
	errUserIsStaff = fault.New(fault.Conflict, "user_is_staff", "The person is staff. End that first with POST /v1/staff/users/{id}/disable.").
			Means("A person of staff is not suspended. End first that they are staff.")
)

type usersInput struct {
	Email string `query:"email" required:"true" minLength:"3" maxLength:"254" example:"ada@example.com" doc:"The address, in upper or lower case."`
}

type suspendInput struct {
	ID   id.User `path:"id" doc:"The person's id." example:"usr_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"Ticket 4711: the account sends spam" doc:"Why. Only the platform's audit log has it."`
	}
}

type userBody struct {
	ID              id.User      `json:"id" doc:"The person's id." example:"usr_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Email           string       `json:"email" doc:"The address with which they sign in." example:"ada@example.com"`
	EmailVerifiedAt *clock.Stamp `json:"email_verified_at" format:"date-time" doc:"When they have proven it; null: they have not."`
	SuspendedAt     *clock.Stamp `json:"suspended_at" format:"date-time" doc:"Since when they may not sign in; null: they may."`
}

type userOutput struct{ Body userBody }

type usersOutput struct{ Body edge.List[userBody] }

func showUser(l identity.Login) userBody {
	return userBody{ID: l.User, Email: l.Email, EmailVerifiedAt: stampOf(l.EmailVerifiedAt), SuspendedAt: stampOf(l.SuspendedAt)}
}

func stampOf(t time.Time) *clock.Stamp {
	if t.IsZero() {
		return nil
	}
	return clock.StampOf(&t)
}

func listUsers(c *edge.Call, in *usersInput) (*usersOutput, error) {
	found, err := identity.Find(c, c.People, mail.CleanAddress(in.Email))
	var list []identity.Login
	if !found.User.IsZero() {
		list = append(list, found)
	}
	return &usersOutput{edge.ListOf(list, len(list), showUser, nil)}, err
}

// deskOf is what ends sessions and the access of apps as the pages do.
func deskOf(c *edge.Call) *account.Desk {
	apps := &oauth.Desk{Apps: c.Apps, DB: c.DB, Clock: c.Clock}
	return &account.Desk{DB: c.DB, People: c.People, Sessions: c.Sessions, Apps: apps, Clock: c.Clock}
}

func suspend(c *edge.Call, in *suspendInput) (*userOutput, error) {
	switch _, err := staff.Get(c, c.Tx, in.ID); {
	case err == nil:
		return nil, errUserIsStaff
	case !errors.Is(err, staff.ErrNotStaff):
		return nil, err
	}
	before, err := deskOf(c).Suspend(c, in.ID)
	after := before
	if after.SuspendedAt.IsZero() {
		after.SuspendedAt = c.Now()
	}
	return changed(c, in, before, after, err)
}

func unsuspend(c *edge.Call, in *suspendInput) (*userOutput, error) {
	before, err := deskOf(c).Unsuspend(c, in.ID)
	after := before
	after.SuspendedAt = time.Time{}
	return changed(c, in, before, after, err)
}

func changed(c *edge.Call, in *suspendInput, before, after identity.Login, err error) (*userOutput, error) {
	if errors.Is(err, identity.ErrNoLogin) {
		return nil, errNoUser
	}
	if err != nil {
		return nil, err
	}
	was, is := showUser(before).SuspendedAt, showUser(after).SuspendedAt
	c.Audit(audit.Fields{"suspended_at": was}, audit.Fields{"suspended_at": is, "reason": in.Body.Reason}, audit.Of("user", in.ID))
	return &userOutput{showUser(after)}, nil
}
