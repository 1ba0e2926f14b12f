package api_test

import (
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/role"
	"portico/shared/staff"
	"portico/shared/testkit"
)

// Whom staff suspend is out at once, with their apps, and comes back only when staff say so.
func TestSuspendUser(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	member := acme.NewMember("bob@example.com", role.Viewer)
	acme.SignIn(member)
	app := acme.NewApp(`"events:read"`)
	token, _ := acme.AsGranted(app, member, auth.EventsRead)
	grace := h.NewStaffPerson(staff.Operator)

	bob := grace.Do("GET", "/v1/users?email=Bob%40Example.com", "")
	apitest.Want(t, bob, `200 "email":"bob@example.com" "suspended_at":null`)
	apitest.Want(t, grace.Do("GET", "/v1/users?email=nobody@example.com", ""), `200 "data":[]`)
	apitest.Want(t, grace.Do("GET", "/v1/users", ""), "422 query.email")
	user := testkit.Value[string](t, h.Database, `SELECT user_id::text FROM member JOIN user_account u ON u.id = user_id WHERE u.email = 'bob@example.com'`)
	path := "/v1/users/" + bob.Get(t, "data.0.id")
	apitest.Want(t, token.Do("GET", "/v1/events", ""), "200")

	apitest.Want(t, grace.Do("POST", path+"/suspend", `{}`), "422 body.reason")
	apitest.Want(t, grace.Do("POST", path+"/suspend", `{"reason":"Ticket 4711"}`), `200 "suspended_at":"2`)
	h.Clock.Advance(10 * time.Second)
	apitest.Want(t, token.Do("GET", "/v1/events", ""), "401")
	apitest.Want(t, acme.Do("GET", "/v1/members/"+member+"/sessions", ""), `200 "data":[]`)
	apitest.Want(t, grace.Do("POST", path+"/suspend", `{"reason":"again"}`), `200 "suspended_at":"2`)
	apitest.Want(t, grace.Do("GET", "/v1/users?email=bob@example.com", ""), `200 "suspended_at":"2`)

	apitest.Want(t, grace.Do("POST", path+"/unsuspend", `{"reason":"It was not them"}`), `200 "suspended_at":null`)
	apitest.Want(t, grace.Do("POST", path+"/unsuspend", `{"reason":"again"}`), `200 "suspended_at":null`)
	apitest.Want(t, h.NewStaff().Do("GET", "/v1/staff/audit-log?action=user.unsuspend", ""), `200 "id":"`+grace.As.Actor.ID+`" "reason":"It was not them"`)
	history := testkit.Value[string](t, h.Database, `SELECT string_agg(action, ' ' ORDER BY id) FROM user_event WHERE user_id = $1::uuid AND action LIKE '%suspend'`, user)
	if history != "user.suspend user.unsuspend" {
		t.Errorf("the history has %s", history)
	}
	apitest.Want(t, token.Do("GET", "/v1/events", ""), "401")
}

// Staff are not suspended, nobody is suspended by support or by who has signed in long ago,
// and an unknown person is a 404.
func TestSuspendUserRefused(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	grace, admin, support := h.NewStaffPerson(staff.Operator), h.NewStaffPerson(staff.Admin), h.NewStaffPerson(staff.Support)
	person := "/v1/users/" + suspendable(h)
	const reason = `{"reason":"Ticket 4711"}`
	for _, staffed := range []string{admin.As.Actor.ID, grace.As.Actor.ID} {
		apitest.Want(t, grace.Do("POST", "/v1/users/"+staffed+"/suspend", reason), "409 user_is_staff")
	}
	for _, verb := range []string{"/suspend", "/unsuspend"} {
		apitest.Want(t, grace.Do("POST", "/v1/users/usr_01890000000000000000000000"+verb, reason), "404 user_not_found")
		apitest.Want(t, support.Do("POST", person+verb, reason), "403 permission_missing users:write")
		apitest.Want(t, h.Organization("Acme").Do("POST", person+verb, reason), "403")
	}
	h.Clock.Advance(11 * time.Minute)
	apitest.Want(t, grace.Do("POST", person+"/suspend", reason), "403 reauthentication_required")
}
