package scim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// Okta makes a person, changes them, ends and restores their membership, and puts them into
// groups, with the requests that it sends.
func TestOkta(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.wants("GET", "/Users?filter=userName%20eq%20%22isaac.brock%40corp.example.com%22&startIndex=1&count=100", "", `200 "totalResults":0 "Resources":[]`)
	s.user = s.makes("/Users", "okta_create_user.json")
	s.hasMembers("isaac.brock@corp.example.com viewer Isaac Brock")
	s.wants("POST", "/Users", "okta_create_user.json", `409 "scimType":"uniqueness"`)
	s.wants("GET", "/Users?filter=userName%20eq%20%22Isaac.Brock%40corp.example.com%22", "", `200 "totalResults":1 `+s.user+` "externalId":"00ujl29u0le5T6Aj10h7" !1mz050nq`)
	s.wants("PUT", "/Users/"+s.user, "okta_replace_user.json", `200 "displayName":"Ike" "active":true`)
	s.hasMembers("isaac.brock@corp.example.com viewer Ike")
	s.wants("PATCH", "/Users/"+s.user, "okta_deactivate.json", `200 "active":false`)
	s.hasMembers("none")
	s.wants("PATCH", "/Users/"+s.user, "okta_deactivate.json", `200 "active":false`)
	s.wants("PATCH", "/Users/"+s.user, "okta_reactivate.json", `200 "active":true`)
	s.hasMembers("isaac.brock@corp.example.com viewer Ike")
	s.group = s.makes("/Groups", "okta_create_group.json")
	s.wants("PATCH", "/Groups/"+s.group, "okta_patch_group.json", `200 "value":"`+s.user+`"`)
	s.wants("GET", "/Users/"+s.user, "", `200 "display":"Engineering" `+s.group)
	s.wants("PATCH", "/Groups/"+s.group, "okta_rename_group.json", `200 "displayName":"Support" `+s.user)
	s.wants("DELETE", "/Groups/"+s.group, "", "204")
	s.wants("GET", "/Groups/"+s.group, "", "404 ")
	s.wants("DELETE", "/Users/"+s.user, "", "204")
	s.hasMembers("none")
	s.wants("GET", "/Users/"+s.user, "", "404 ")
}

// Microsoft Entra does the same with its own forms: operations in capitals, booleans as
// texts, paths with filters, attributes that we do not have.
func TestEntra(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.wants("GET", "/Users?filter=userName+eq+%22non-existent%22", "", `200 "totalResults":0`)
	s.user = s.makes("/Users", "entra_create_user.json")
	s.hasMembers("test_user@corp.example.com viewer givenName familyName")
	s.wants("GET", "/Users?filter=externalId+eq+%220a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef%22", "", `200 "totalResults":1 `+s.user)
	s.wants("GET", "/Users?filter=emails%5Btype+eq+%22work%22%5D.value+eq+%22test_user%40corp.example.com%22", "", `200 "totalResults":1`)
	s.wants("PATCH", "/Users/"+s.user, "entra_update_user.json", `200 "value":"updated@corp.example.com" "familyName":"updatedFamilyName" "givenName":"Grace" !Sales`)
	s.hasMembers("test_user@corp.example.com viewer Grace updatedFamilyName")
	s.wants("PATCH", "/Users/"+s.user, "entra_deactivate.json", `200 "active":false`)
	s.hasMembers("none")
	s.wants("PATCH", "/Users/"+s.user, "entra_reactivate.json", `200 "active":true`)
	s.hasMembers("updated@corp.example.com viewer Grace updatedFamilyName")
	s.group = s.makes("/Groups", "entra_create_group.json")
	filter := "/Groups?excludedAttributes=members&filter=displayName+eq+%22Engineering%22"
	s.wants("GET", filter, "", `200 "totalResults":1 `+s.group+` !"members"`)
	s.wants("PATCH", "/Groups/"+s.group, "entra_add_member.json", "200 "+s.user)
	s.wants("PATCH", "/Groups/"+s.group, "entra_add_member.json", "200 "+s.user)
	s.wants("GET", "/Groups?filter=id+eq+%22"+s.group+"%22+and+members+eq+%22"+s.user+"%22", "", `200 "totalResults":1`)
	s.wants("PATCH", "/Groups/"+s.group, "entra_remove_member_by_filter.json", `200 "members":[]`)
	s.wants("PATCH", "/Groups/"+s.group, "entra_add_member.json", "200 "+s.user)
	s.wants("PATCH", "/Groups/"+s.group, "entra_remove_member.json", `200 "members":[]`)
	s.wants("GET", "/Groups?filter=id+eq+%22"+s.group+"%22+and+members+eq+%22"+s.user+"%22", "", `200 "totalResults":0`)
}

// Who is not active any more loses what they may do in two processes within ten seconds, and
// gets it back with another membership.
func TestDeactivationEndsSessions(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.user = s.makes("/Users", "okta_create_user.json")
	find := `SELECT 'x' || replace(id::text, '-', '') FROM member WHERE org_id = $1`
	before := testkit.Value[string](t, s.h.Database, find, s.acme.Org)
	member := s.acme.Do("GET", "/v1/members", "").Get(t, "data.0.id")
	here := s.acme.AsMember(member)
	there := here.Environment(apitest.Never)
	for _, c := range []apitest.Caller{here, there} {
		apitest.Want(t, c.Do("GET", "/v1/events", ""), "200 ")
	}
	s.wants("PATCH", "/Users/"+s.user, "okta_deactivate.json", "200 ")
	s.h.Clock.Advance(10 * time.Second)
	for _, c := range []apitest.Caller{here, there} {
		apitest.Want(t, c.Do("GET", "/v1/events", ""), "401 member_removed")
	}
	s.wants("PATCH", "/Users/"+s.user, "okta_reactivate.json", "200 ")
	if after := testkit.Value[string](t, s.h.Database, find, s.acme.Org); after == before {
		t.Error("the membership that has ended goes on")
	}
}

// Groups give roles, of several the first in the directory's list. Nobody gets more than the
// directory's maker may give then, and the last owner stays.
func TestGroupsGiveRoles(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	roles := `[{"group":"Leads","role":"admin"},{"group":"engineering","role":"developer"}]`
	apitest.Want(t, s.acme.Do("PATCH", "/v1/sso-connections/"+s.connection+"/directory", `{"group_roles":`+roles+`}`), `200 "group":"Leads"`)
	s.user = s.makes("/Users", user("ada"))
	s.hasMembers("ada@corp.example.com viewer ")
	s.group = s.makes("/Groups", `{"displayName":"Engineering","members":[{"value":"`+s.user+`"}]}`)
	s.hasMembers("ada@corp.example.com developer ")
	leads := s.makes("/Groups", `{"displayName":"Leads"}`)
	s.wants("PATCH", "/Groups/"+leads, "entra_add_member.json", "200 ")
	s.hasMembers("ada@corp.example.com admin ")
	s.wants("PATCH", "/Users/"+s.user, "okta_deactivate.json", "200 ")
	s.wants("PATCH", "/Users/"+s.user, "okta_reactivate.json", "200 ")
	s.hasMembers("ada@corp.example.com admin ")
	s.wants("PUT", "/Groups/"+leads, `{"displayName":"Former","members":[{"value":"`+s.user+`"}]}`, "200 ")
	s.hasMembers("ada@corp.example.com developer ")
	s.wants("DELETE", "/Groups/"+s.group, "", "204")
	s.hasMembers("ada@corp.example.com viewer ")

	owner := s.acme.NewMember("owner@corp.example.com", "owner")
	boss := s.makes("/Users", user("owner"))
	s.wants("PATCH", "/Users/"+boss, "okta_deactivate.json", "409 last owner")
	s.wants("DELETE", "/Users/"+boss, "", "409 last owner")
	s.wants("PUT", "/Groups/"+leads, `{"displayName":"Leads","members":[{"value":"`+boss+`"}]}`, "200 ")
	s.hasMembers("ada@corp.example.com viewer , owner@corp.example.com owner Ada")

	maker := s.acme.NewMember("maker@corp.example.com", "owner")
	apitest.Want(t, s.acme.AsMember(maker).Do("PATCH", "/v1/sso-connections/"+s.connection+"/directory", `{}`), "200 ")
	apitest.Want(t, s.acme.Do("PATCH", "/v1/members/"+maker, `{"role":"developer"}`), "200 ")
	s.wants("PUT", "/Groups/"+leads, `{"displayName":"Leads","members":[{"value":"`+s.user+`"}]}`, "403 lack")
	s.wants("POST", "/Users", user("bob"), "403 lack")
	apitest.Want(t, s.acme.Do("DELETE", "/v1/members/"+maker, ""), "204")
	s.wants("POST", "/Users", user("bob"), "403 lack")
	apitest.Want(t, s.acme.AsMember(owner).Do("PATCH", "/v1/sso-connections/"+s.connection+"/directory", `{}`), "200 ")
	s.wants("POST", "/Users", user("bob"), "201 ")
}

// A directory changes only people of its own, in its verified domains, and is open only to
// its token.
func TestOtherDirectories(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.user = s.makes("/Users", user("ada"))
	s.group = s.makes("/Groups", `{"displayName":"Engineering"}`)
	s.wants("POST", "/Users", `{"userName":"eve@example.org"}`, `400 "scimType":"invalidValue" verified`)
	s.wants("PATCH", "/Users/"+s.user, `{"Operations":[{"op":"replace","path":"emails","value":[{"value":"eve@example.org"}]}]}`, `400 "scimType":"invalidValue" verified`)
	own, token := s.connection, s.token
	evil := s.h.Organization("Evil")
	s.connection, s.token = s.open(evil, "evil.example.net", evil, `[]`)
	for _, path := range []string{"/Users/" + s.user, "/Groups/" + s.group} {
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			s.wants(method, path, `{"displayName":"x","userName":"x@evil.example.net","Operations":[{"op":"replace","path":"displayName","value":"x"}]}`, "404 ")
		}
	}
	s.wants("POST", "/Groups", `{"displayName":"Spies","members":[{"value":"`+s.user+`"}]}`, `400 "scimType":"invalidValue"`)
	s.wants("GET", "/Users", "", `200 "totalResults":0`)
	for _, wrong := range []struct{ connection, token string }{{own, s.token}, {s.connection, token}, {own, ""}, {own, "pds_x"}, {"sso_1", token}, {"sso_01890000000000000000000000", token}} {
		s.connection, s.token = wrong.connection, wrong.token
		r := s.wants("GET", "/Users", "", "401 ")
		if r.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%v", r.Header)
		}
	}
	s.connection, s.token = own, token
	rotated := s.acme.Do("POST", "/v1/sso-connections/"+own+"/directory/rotate-token", "")
	s.wants("GET", "/Users", "", "401 ")
	s.token = rotated.Get(t, "token")
	s.wants("GET", "/Users", "", `200 "totalResults":1`)
	apitest.Want(t, s.acme.Do("DELETE", "/v1/sso-connections/"+own+"/directory", ""), "204")
	s.wants("GET", "/Users", "", "401 ")
	s.hasMembers("ada@corp.example.com viewer ")
}

// What cannot be read or done is refused with an error of SCIM, and changes nothing.
func TestBrokenRequests(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.user = s.makes("/Users", user("ada"))
	s.group = s.makes("/Groups", `{"displayName":"Engineering","members":[{"value":"`+s.user+`"}]}`)
	patch := func(operation string) string { return `{"Operations":[` + operation + `]}` }
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", "/Users?filter=userName", "", "400 invalidFilter"},
		{"GET", "/Users?filter=userName+co+%22a%22", "", "400 invalidFilter"},
		{"GET", "/Users?filter=password+eq+%22a%22", "", "400 invalidFilter"},
		{"GET", "/Users?filter=userName+eq+%22a", "", "400 invalidFilter"},
		{"GET", "/Users?filter=userName+eq+true", "", "400 invalidFilter"},
		{"GET", "/Users?filter=userName+eq+%22" + strings.Repeat("a", 1000) + "%22", "", "400 invalidFilter"},
		{"GET", "/Users?filter=userName+eq+%22%5Cu0000%22", "", "400 invalidFilter"},
		{"GET", "/Users?filter=active+eq+%22x%22", "", "400 invalidFilter"},
		{"GET", "/Users?filter=userName+eq+%22a%22+or+userName+eq+%22b%22", "", "400 invalidFilter"},
		{"GET", "/Users?filter=userName+eq+%22ada%40corp.example.com%22+and+userName+eq+%22b%22", "", `200 "totalResults":0`},
		{"GET", "/Users?filter=id+eq+%22x%22", "", `200 "totalResults":0`},
		{"GET", "/Users?startIndex=x", "", "400 invalidValue"},
		{"GET", "/Users?startIndex=-5&count=-1", "", `200 "totalResults":1 "startIndex":1 "itemsPerPage":0`},
		{"GET", "/Groups?filter=userName+eq+%22a%22", "", "400 invalidFilter"},
		{"POST", "/Users", "", "400 invalidSyntax"},
		{"POST", "/Users", "[]", "400 invalidSyntax"},
		{"POST", "/Users", "{}", "400 invalidValue userName"},
		{"POST", "/Users", `{"userName":1}`, "400 invalidValue userName"},
		{"POST", "/Users", `{"userName":"bob"}`, "400 invalidValue emails"},
		{"POST", "/Users", `{"userName":"a\u0000@corp.example.com"}`, "400 invalidValue userName"},
		{"POST", "/Users", `{"userName":"bob@corp.example.com","active":"perhaps"}`, "400 invalidValue active"},
		{"POST", "/Users", `{"userName":"bob@corp.example.com","emails":"x"}`, "400 invalidValue emails"},
		{"POST", "/Users", `{"userName":"bob@corp.example.com","name":"x"}`, "400 invalidValue name"},
		{"POST", "/Users", `{"userName":"` + strings.Repeat("a", 1<<20) + `"}`, "413 "},
		{"PATCH", "/Users/" + s.user, "{}", "400 invalidSyntax"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"move"}`), "400 invalidSyntax"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"remove"}`), "400 noTarget"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"replace","value":1}`), "400 invalidValue"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"replace","path":"a b","value":1}`), "400 invalidPath"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"replace","path":1,"value":1}`), "400 invalidPath"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"replace","path":"emails[type","value":1}`), "400 invalidPath"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"replace","path":"emails[type gt 1]","value":1}`), "400 invalidPath"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"replace","path":"userName.x","value":1}`), "400 invalidPath"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"remove","path":"userName"}`), "400 invalidValue userName"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"replace","path":"id","value":"x"}`), "400 mutability"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"add","path":"groups","value":[]}`), "400 mutability"},
		{"PATCH", "/Users/" + s.user, patch(`{"op":"add","path":"emails","value":"x"}`), "400 invalidValue"},
		{"PATCH", "/Groups/" + s.group, patch(`{"op":"add","path":"members","value":[{"value":"dru_01890000000000000000000000"}]}`), "400 invalidValue members"},
		{"PATCH", "/Groups/" + s.group, patch(`{"op":"add","path":"members","value":[{"value":7}]}`), "400 invalidValue members"},
		{"PATCH", "/Groups/" + s.group, patch(`{"op":"replace","path":"displayName","value":""}`), "400 invalidValue displayName"},
		{"POST", "/Groups", `{"displayName":"ENGINEERING"}`, "409 uniqueness"},
		{"GET", "/Users/x", "", "404 "},
		{"GET", "/Groups/" + s.user, "", "404 "},
		{"GET", "/Nothing", "", "404 "},
		{"GET", "/Users/" + s.user + "/x", "", "404 "},
		{"POST", "/Users/" + s.user, "{}", "405 "},
		{"DELETE", "/Groups", "", "405 "},
		{"POST", "/Schemas", "{}", "405 "},
		{"GET", "/Schemas/x", "", "404 "},
	} {
		s.wants(tt.method, tt.path, tt.body, tt.want)
	}
	s.wants("GET", "/Users", "", `200 "totalResults":1 "userName":"ada@corp.example.com" "active":true`)
	s.wants("GET", "/Groups", "", `200 "totalResults":1 "displayName":"Engineering" `+s.user)
	s.hasMembers("ada@corp.example.com viewer ")
}

// A provider learns what the server can do, and reads lists page by page.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.wants("GET", "/ServiceProviderConfig", "", `200 "patch":{"supported":true} "oauthbearertoken" "maxResults":200`)
	s.wants("GET", "/ResourceTypes", "", `200 "totalResults":2 "endpoint":"/Users"`)
	s.wants("GET", "/ResourceTypes/Group", "", `200 "endpoint":"/Groups"`)
	s.wants("GET", "/Schemas", "", `200 "totalResults":2 "userName" "members"`)
	s.wants("GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", "", `200 "userName"`)
	for i := range 5 {
		s.makes("/Users", user(fmt.Sprint("user", i)))
	}
	s.wants("GET", "/Users?startIndex=2&count=2", "", `200 "totalResults":5 "startIndex":2 "itemsPerPage":2 user1@ user2@ !user0@ !user3@`)
	s.wants("GET", "/Users?startIndex=9", "", `200 "totalResults":5 "itemsPerPage":0 "Resources":[]`)
	s.wants("GET", "/Users?count=0", "", `200 "totalResults":5 "Resources":[]`)
	if r := s.do(http.MethodHead, "/Users", ""); r.Status != 200 || r.Body != "" {
		t.Errorf("HEAD: %d %s", r.Status, r.Body)
	}
}

// Each change leaves an entry in the organization's audit log, in the same transaction.
func TestAuditOfDirectories(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.user = s.makes("/Users", user("ada"))
	s.group = s.makes("/Groups", `{"displayName":"Engineering"}`)
	s.wants("PATCH", "/Groups/"+s.group, "entra_add_member.json", "200 ")
	s.wants("PATCH", "/Users/"+s.user, "okta_deactivate.json", "200 ")
	s.wants("DELETE", "/Groups/"+s.group, "", "204")
	s.wants("DELETE", "/Users/"+s.user, "", "204")
	got := testkit.Value[string](t, s.h.Database, `SELECT string_agg(action, ' ' ORDER BY action) FROM audit_entry WHERE org_id = $1 AND actor_id = 'scim'`, s.acme.Org)
	if want := "directory_group.create directory_group.delete directory_group.update directory_user.create directory_user.delete directory_user.update member.create member.delete"; got != want {
		t.Errorf("the entries are\n%s, want\n%s", got, want)
	}
	s.h.Exec(`ALTER TABLE audit_entry ADD CONSTRAINT broken CHECK (action <> 'directory_user.create') NOT VALID`)
	s.wants("POST", "/Users", user("bob"), "500 ")
	s.hasMembers("none")
}
