package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/staff"
)

// For a person of staff an organization does not exist until they have opened an access to
// it; then they do there what their level lets them. It ends when either side says so, or
// after its time.
func TestMatrixOfStaff(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	evil := h.Organization("Evil")
	untouched(t, evil)
	for _, level := range staff.Levels() {
		t.Run(string(level), func(t *testing.T) {
			acme := h.Organization("Acme")
			own, grace := things(acme), h.NewStaffPerson(level)
			closed := func(of apitest.Caller) {
				t.Helper()
				for _, o := range sorted(api.All()) {
					op := o.Meta()
					if op.Permission == auth.Public || op.Acts == edge.OnSelf || op.Acts.StaffOnly() && op.Acts != edge.OnChosen && op.Acts != edge.OnNamed {
						continue
					}
					path := strings.ReplaceAll(place(t, op, own), acme.Org.String(), of.Org.String())
					want := "404 organization_not_found"
					if !slices.Contains(level.Permissions(), op.Permission) {
						want = "403 permission_missing"
					}
					apitest.Want(t, try(grace, op, path, "Portico-Organization", of.Org.String()), want)
				}
			}
			closed(acme)
			access := grace.Open(acme.Org, "")
			closed(evil)
			apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=staff_access.open&limit=1", ""), `200 "type":"staff","id":"`+grace.As.Actor.ID+`","name":"Grace Hopper" "reason":"Ticket 4711"`)
			apitest.Want(t, acme.Do("POST", "/v1/staff-access/"+access+"/end", ""), `200 "open":false`)
			closed(acme)
			grace.Open(acme.Org, "")
			h.Clock.Advance(time.Hour)
			grace.As.Proved = h.Clock.Now()
			closed(acme)
			grace.Open(acme.Org, "")
			for _, o := range sorted(api.All()) {
				op := o.Meta()
				if op.Permission == auth.Public || op.Acts == edge.OnSelf || op.Acts == edge.OnClosed || op.ID == "deleteOrganization" {
					continue
				}
				r := try(grace, op, place(t, op, own), "Portico-Organization", acme.Org.String())
				if !slices.Contains(level.Permissions(), op.Permission) {
					apitest.Want(t, r, "403 permission_missing "+string(op.Permission))
				} else if s := r.Status; s == 401 || s == 403 && !strings.Contains(r.Body, "own_level") || s == 404 && op.ID != "resumeOrderingKey" || s >= 500 {
					t.Errorf("%s: %d %s", op.ID, s, r.Body)
				}
			}
		})
	}
}

// Whoever is not staff any more is nobody, ten seconds later at the latest.
func TestStaffIsTakenAway(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	grace, ada := h.NewStaffPerson(staff.Operator), h.NewStaffPerson(staff.Admin)
	grace.Open(acme.Org, "")
	apitest.Want(t, grace.Do("GET", "/v1/events", "", "Portico-Organization", acme.Org.String()), "200 ")
	apitest.Want(t, grace.Do("POST", "/v1/staff/users/"+ada.As.Actor.ID+"/disable", ""), "403 permission_missing")
	apitest.Want(t, ada.Do("POST", "/v1/staff/users/"+ada.As.Actor.ID+"/disable", ""), "403 own_level")
	apitest.Want(t, ada.Do("POST", "/v1/staff/users", `{"email":"`+ada.As.Actor.ID+`@example.com","name":"Ada","level":"support"}`), "403 own_level")
	apitest.Want(t, ada.Do("POST", "/v1/staff/users", `{"email":"nobody@example.com","name":"Ada","level":"support"}`), "422 body.email")
	apitest.Want(t, ada.Do("POST", "/v1/staff/users/"+grace.As.Actor.ID+"/disable", ""), `200 "disabled_at":"2`)
	h.Clock.Advance(10 * time.Second)
	apitest.Want(t, grace.Do("GET", "/v1/events", "", "Portico-Organization", acme.Org.String()), "401 not_staff")
	apitest.Want(t, ada.Do("GET", "/v1/staff/users", ""), `200 "level":"operator" "disabled_at":"2 "level":"admin" "disabled_at":null`)
	apitest.Want(t, h.NewStaff().Do("GET", "/v1/staff/audit-log?action=staff.disable", ""), `200 "id":"`+ada.As.Actor.ID+`" "id":"`+grace.As.Actor.ID)
}

// A support person looks as no member, a staff key opens nothing, and what does not last or
// has no reason is refused.
func TestOpenStaffAccess(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	member := acme.NewMember("bob@example.com", "owner")
	named := []string{"Portico-Organization", acme.Org.String()}
	for body, want := range map[string]string{
		`{"minutes":60}`:               "422 body.reason",
		`{"reason":"","minutes":60}`:   "422 body.reason",
		`{"reason":"x"}`:               "422 body.minutes",
		`{"reason":"x","minutes":241}`: "422 body.minutes",
		`{"reason":"x","minutes":0}`:   "422 body.minutes",
		`{"reason":"x","minutes":1,"member_id":"` + member + `"}`:      "403 impersonation_denied",
		`{"reason":"x","minutes":240}`:                                 `201 "open":true`,
		`{"reason":"x","minutes":1,"member_id":"mem_1"}`:               "422 body.member_id",
		`{"reason":"x","minutes":60,"member_id":null,"level":"admin"}`: "422 body.level",
	} {
		apitest.Want(t, h.NewStaffPerson(staff.Support).Do("POST", "/v1/staff-access", body, named...), want)
	}
	operator := h.NewStaffPerson(staff.Operator)
	apitest.Want(t, operator.Do("POST", "/v1/staff-access", `{"reason":"x","minutes":1,"member_id":"mem_01890000000000000000000000"}`, named...), "404 member_not_found")
	apitest.Want(t, h.NewStaff().Do("POST", "/v1/staff-access", `{"reason":"x","minutes":1}`, named...), "403 staff_person_only")
	apitest.Want(t, operator.Do("POST", "/v1/staff-access", `{"reason":"x","minutes":1}`, "Portico-Organization", "org_01890000000000000000000000"), "404 organization_not_found")
	apitest.Want(t, operator.Do("POST", "/v1/staff-access", `{"reason":"x","minutes":1}`), "422 header.Portico-Organization")
	h.Clock.Advance(11 * time.Minute)
	apitest.Want(t, operator.Do("POST", "/v1/staff-access", `{"reason":"x","minutes":1}`, named...), "403 reauthentication_required")
}
