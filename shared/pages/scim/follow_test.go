package scim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/directory"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/testkit"
)

// maps changes the roles of groups in the name of somebody.
func (s *stage) maps(as apitest.Caller, roles string) {
	s.Helper()
	apitest.Want(s.T, as.Do("PATCH", "/v1/sso-connections/"+s.connection+"/directory", `{"group_roles":`+roles+`}`), `200 "group_roles":`)
}

// follow does the jobs by which people follow.
func (s *stage) follow() {
	s.Helper()
	kinds, err := job.NewRegistry(directory.FollowKind(s.h.Clock))
	testkit.Must(s.T, err)
	jobtest.Drain(s.T, &job.Runner{DB: s.h.App, Worker: s.h.Worker, Database: pg.Home, Queue: job.High, Kinds: kinds, Clock: s.h.Clock, Log: observe.NewLog(s.h.Lines, "test")})
	if n := testkit.Value[int](s.T, s.h.Database, `SELECT count(*) FROM job WHERE kind = 'directory.follow_groups'`); n != 0 {
		s.Errorf("%d jobs are not done", n)
	}
}

// When the roles of groups change, the people in these groups have their new roles,
// and nobody else has. Who has changed them keeps their own role, as do those who have more
// than they could give, and the last owner.
func TestGroupRolesFollow(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ada, bob, eve := s.makes("/Users", user("ada")), s.makes("/Users", user("bob")), s.makes("/Users", user("eve"))
	s.makes("/Groups", `{"displayName":"Engineering","members":[{"value":"`+ada+`"},{"value":"`+bob+`"}]}`)
	s.makes("/Groups", `{"displayName":"Leads","members":[{"value":"`+bob+`"}]}`)
	s.makes("/Groups", `{"displayName":"Others","members":[{"value":"`+eve+`"}]}`)
	apitest.Want(t, s.acme.Do("PATCH", "/v1/members/"+s.member("eve"), `{"role":"admin"}`), "200 ")
	s.maps(s.acme, `[{"group":"engineering","role":"developer"}]`)
	s.follow()
	s.hasMembers("ada@corp.example.com developer , bob@corp.example.com developer , eve@corp.example.com admin ")
	s.maps(s.acme, `[{"group":"Leads","role":"admin"},{"group":"engineering","role":"developer"}]`)
	s.follow()
	s.hasMembers("ada@corp.example.com developer , bob@corp.example.com admin , eve@corp.example.com admin ")
	s.maps(s.acme, `[{"group":"Leads","role":"admin"}]`)
	s.follow()
	s.hasMembers("ada@corp.example.com viewer , bob@corp.example.com admin , eve@corp.example.com admin ")
	if n := testkit.Value[int](t, s.h.Database, `SELECT count(*) FROM audit_entry WHERE action = 'member.update' AND actor_id = 'scim'`); n != 4 {
		t.Errorf("%d entries", n)
	}
	s.maps(s.acme, `[]`)
	s.follow()
	s.hasMembers("ada@corp.example.com viewer , bob@corp.example.com admin , eve@corp.example.com admin ")

	apitest.Want(t, s.acme.Do("PATCH", "/v1/members/"+s.member("ada"), `{"role":"owner"}`), "200 ")
	s.maps(s.acme, `[{"group":"Engineering","role":"viewer"}]`)
	s.follow()
	s.hasMembers("ada@corp.example.com owner , bob@corp.example.com viewer , eve@corp.example.com admin ") // the last owner
	s.maps(s.acme, `[]`)
	second := s.acme.NewMember("second@corp.example.com", "owner")
	s.maps(s.acme.AsMember(s.member("ada")), `[{"group":"Engineering","role":"developer"}]`)
	s.follow()
	s.hasMembers("ada@corp.example.com owner , bob@corp.example.com developer , eve@corp.example.com admin , second@corp.example.com owner Ada")
	s.maps(s.acme.AsMember(second), `[{"group":"Engineering","role":"viewer"}]`)
	s.follow()
	s.hasMembers("ada@corp.example.com viewer , bob@corp.example.com viewer , eve@corp.example.com admin , second@corp.example.com owner Ada")

	apitest.Want(t, s.acme.Do("PATCH", "/v1/members/"+s.member("bob"), `{"role":"admin"}`), "200 ")
	viewer, _ := role.Predefined(role.Viewer)
	may, err := json.Marshal(append(slices.Clone(viewer.Permissions), auth.MembersWrite, auth.SSOConnectionsWrite))
	testkit.Must(t, err)
	weak := s.acme.NewMember("weak@corp.example.com", s.acme.Make("/v1/roles", `{"name":"weak","permissions":`+string(may)+`}`))
	s.maps(s.acme, `[]`)
	s.maps(s.acme.AsMember(weak), `[{"group":"Engineering","role":"viewer"}]`)
	s.follow()
	s.hasMembers("ada@corp.example.com viewer , bob@corp.example.com admin , eve@corp.example.com admin , second@corp.example.com owner Ada, weak@corp.example.com own Ada")
}

// member returns the member of a person of the directory.
func (s *stage) member(name string) string {
	s.Helper()
	for _, part := range strings.Split(s.acme.Do("GET", "/v1/members", "").Body, `{"id":"`) {
		if strings.Contains(part, `"`+name+`@corp.example.com"`) {
			return part[:30]
		}
	}
	s.Fatalf("no member %s", name)
	return ""
}

// Many follow in steps, with the roles that the directory has when the job runs.
func TestManyFollow(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var members []string
	for n := range 120 {
		members = append(members, `{"value":"`+s.makes("/Users", user(fmt.Sprintf("n%d", n)))+`"}`)
	}
	s.makes("/Groups", `{"displayName":"Engineering","members":[`+strings.Join(members, ",")+`]}`)
	s.maps(s.acme, `[{"group":"Engineering","role":"developer"}]`)
	s.maps(s.acme, `[{"group":"Engineering","role":"admin"}]`)
	s.follow()
	if n := testkit.Value[int](t, s.h.Database, `SELECT count(*) FROM member WHERE org_id = $1 AND predefined = 'admin'`, s.acme.Org); n != 120 {
		t.Errorf("%d follow", n)
	}
	if n := testkit.Value[int](t, s.h.Database, `SELECT count(*) FROM audit_entry WHERE action = 'member.update'`); n != 120 {
		t.Errorf("%d entries", n)
	}
}
