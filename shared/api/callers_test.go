package api_test

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/role"
	"portico/shared/staff"
)

// caller is a kind of caller, with the permissions that it has.
type caller struct {
	name   string
	role   string // of the member
	person bool   // may act on the member's own account
	holds  []auth.Permission
	as     func(acme apitest.Caller, member string) apitest.Caller
}

// callers are the kinds of callers without an API key: members with each predefined role,
// apps with real access tokens, and a portal.
func callers() (list []caller) {
	for _, r := range role.AllPredefined() {
		list = append(list, caller{"member/" + r.Name, r.Name, true, r.Permissions, func(acme apitest.Caller, id string) apitest.Caller {
			return acme.AsMember(id)
		}})
	}
	scopes := []auth.Permission{auth.EventsRead, auth.EventsWrite, auth.WebhookEndpointsRead, auth.WebhookEndpointsWrite, auth.RolesWrite}
	of := func(name string) []auth.Permission {
		r, _ := role.Predefined(name)
		return r.Permissions
	}
	return append(list,
		app("developer", role.Developer, false, of(role.Developer), scopes...),
		app("viewer", role.Viewer, false, of(role.Viewer), auth.All()...),
		app("owner", role.Owner, false, of(role.Owner), auth.All()...),
		app("person", role.Viewer, true, of(role.Viewer), auth.Self, auth.EventsRead),
		caller{"app/itself", role.Viewer, false, scopes, func(acme apitest.Caller, _ string) apitest.Caller {
			return acme.AsApp(acme.NewApp(quoted(scopes)), "", scopes...)
		}},
		caller{"portal", role.Viewer, false, scopes[:4], func(acme apitest.Caller, _ string) apitest.Caller {
			return acme.AsCaller(auth.Caller{Actor: auth.Actor{Type: auth.Portal, ID: acme.Org.String()}, Rights: auth.Set(scopes[:4])})
		}},
	)
}

// app is an app that a member with a role has let in with some scopes. It holds what both
// have.
func app(name, of string, person bool, most []auth.Permission, scopes ...auth.Permission) caller {
	holds := auth.Bounded{Authority: auth.Set(most), By: scopes}.Gives()
	return caller{"app/" + name, of, person, holds, func(acme apitest.Caller, member string) apitest.Caller {
		return acme.AsApp(acme.NewApp(quoted(scopes)), member, scopes...)
	}}
}

// quoted is a list of permissions without its brackets, in JSON.
func quoted(permissions []auth.Permission) string {
	var list []string
	for _, p := range permissions {
		list = append(list, strconv.Quote(string(p)))
	}
	return strings.Join(list, ",")
}

// Every route is called as every kind of caller without an API key, with the caller's
// own resource and another organization's. The rules are those of TestMatrix.
func TestMatrixOfCallers(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	evil := h.Organization("Evil")
	foreign := untouched(t, evil)
	for _, k := range callers() {
		t.Run(k.name, func(t *testing.T) {
			acme := h.Organization("Acme")
			own := things(acme)
			member := acme.NewMember(strings.ReplaceAll(k.name, "/", "-")+"@example.com", k.role)
			if k.person {
				own["/v1/me/organizations"] = joined(acme, strings.ReplaceAll(k.name, "/", "-")+"@example.com", role.Viewer)
				own["/v1/me/sessions"], own["/v1/me/apps"] = acme.SignIn(member).String(), letIn(acme, member)
			}
			matrix{own: own, foreign: foreign, holds: k.holds, person: k.person}.try(t, k.as(acme, member))
		})
	}
}

// Every route is called with every role of every role model, by a member of an organization
// that has this model. The rules are those of TestMatrix; no other role can be given.
func TestMatrixOfRoleModels(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	foreign := untouched(t, h.Organization("Evil"))
	for model, roles := range map[string][]string{"single": {"owner"}, "two_tier": {"owner", "admin", "member"}, "custom": {"own"}} {
		for _, name := range roles {
			t.Run(model+"/"+name, func(t *testing.T) {
				acme := h.Organization("Acme")
				apitest.Want(t, acme.Do("PATCH", "/v1/organization", `{"settings":{"role_model":"`+model+`"}}`), `200 "role_model":"`+model+`"`)
				own, given, holds := things(acme), name, []auth.Permission{auth.EventsRead, auth.MembersRead, auth.RolesWrite}
				if r, predefined := role.Predefined(name); predefined {
					holds = r.Permissions
				} else {
					given = acme.Make("/v1/roles", `{"name":"caller's","permissions":["events:read","members:read","roles:write"]}`)
				}
				member := acme.NewMember(model+"-"+name+"@example.com", given)
				as := acme.AsMember(member)
				own["/v1/me/sessions"], own["/v1/me/apps"] = acme.SignIn(member).String(), letIn(acme, member)
				own["/v1/me/organizations"] = joined(acme, model+"-"+name+"@example.com", role.Viewer)
				for _, r := range role.AllPredefined() {
					if model != "custom" && !slices.Contains(roles, r.Name) {
						apitest.Want(t, acme.Do("PATCH", "/v1/members/"+member, `{"role":"`+r.Name+`"}`), "409 role_not_in_model")
						apitest.Want(t, acme.Do("POST", "/v1/invitations", `{"email":"x@example.com","role":"`+r.Name+`"}`), "409 role_not_in_model")
					}
				}
				matrix{own: own, foreign: foreign, holds: holds, person: true}.try(t, as)
			})
		}
	}
}

// Staff who look at an organization as one of its members read what the member may
// read, and change nothing.
func TestMatrixOfReadOnlyCallers(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	own := things(acme)
	owner := acme.NewMember("owner@example.com", role.Owner)
	grace := h.NewStaffPerson(staff.Admin)
	as := acme.AsCaller(auth.Caller{Actor: grace.As.Actor, For: auth.Actor{Type: auth.Member, ID: owner}, Proved: h.Clock.Now()})
	reads := staff.Reads()
	apitest.Want(t, as.Do("GET", "/v1/events", ""), "404 organization_not_found")
	grace.Open(acme.Org, "")
	apitest.Want(t, as.Do("GET", "/v1/events", ""), "404 organization_not_found") // not as a member
	access := grace.Open(acme.Org, owner)
	evil := h.Organization("Evil")
	before := apitest.Checksum(acme)
	changes := 0
	for _, o := range sorted(api.All()) {
		op := o.Meta()
		switch path := place(t, op, own); {
		case op.Permission == auth.Public:
		case op.Acts == edge.OnSelf && op.Method == http.MethodGet:
			apitest.Want(t, try(as, op, path), "403 person_only")
		case op.Acts.StaffOnly():
			apitest.Want(t, try(as, op, path, "Portico-Organization", evil.Org.String()), "403 staff_only")
		case op.Method == http.MethodGet && !slices.Contains(reads, op.Permission):
			apitest.Want(t, try(as, op, path), "403 permission_missing")
		case op.Method == http.MethodGet:
			apitest.Want(t, try(as, op, path, "Portico-Organization", evil.Org.String()), "404 organization_not_found")
		default:
			apitest.Want(t, try(as, op, path), "403 read_only")
			changes++
		}
	}
	after := apitest.Checksum(acme)
	if unlogged := regexp.MustCompile(`audit_\w+ \w*\n`); unlogged.ReplaceAllString(after, "") != unlogged.ReplaceAllString(before, "") || changes < 50 {
		t.Errorf("%d operations were tried; the organization was\n%s\nand is\n%s", changes, before, after)
	}
	apitest.Want(t, as.Do("GET", "/v1/events", ""), "200 ")
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=event.read", ""), `200 "type":"staff","id":"`+grace.As.Actor.ID+`","name":"Grace Hopper"`)
	apitest.Want(t, acme.Do("POST", "/v1/staff-access/"+access+"/end", ""), "200 ")
	apitest.Want(t, as.Do("GET", "/v1/events", ""), "404 organization_not_found")
	grace.Open(acme.Org, owner)
	h.Bootstrap(`{"command":"set_staff","email":"` + grace.As.Actor.ID + `@example.com","name":"Grace Hopper","level":"support"}`)
	h.Clock.Advance(10 * time.Second)
	apitest.Want(t, as.Do("GET", "/v1/events", ""), "403 permission_missing")
}

// A member who has a permission on one resource only reads and changes exactly this one
// and its parts, finds it alone in lists, and gets nothing else of any route.
func TestMatrixOfOneGrant(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	for _, permission := range []auth.Permission{auth.WebhookEndpointsRead, auth.WebhookEndpointsWrite, auth.DeliveriesRead, auth.DeliveriesWrite, auth.EventsRead} {
		t.Run(string(permission), func(t *testing.T) {
			acme := h.Organization("Acme")
			granted, others := things(acme), others(acme)
			resource := granted["/v1/webhook-endpoints"]
			if permission == auth.EventsRead {
				resource = granted["/v1/events"]
			}
			granted["/v1/recoveries"] = acme.Make("/v1/webhook-endpoints/"+granted["/v1/webhook-endpoints"]+"/recover", `{"since":"2026-01-01T00:00:00Z"}`)
			nothing := acme.Make("/v1/roles", `{"name":"nothing","permissions":[]}`)
			member := acme.NewMember("caller@example.com", nothing)
			acme.Make("/v1/resource-grants", `{"member_id":"`+member+`","permission":"`+string(permission)+`","resource_id":"`+resource+`"}`)
			reached := map[string]bool{}
			for _, o := range sorted(api.All()) {
				op, as := o.Meta(), acme.AsMember(member)
				if op.Permission == auth.Public || op.Acts.StaffOnly() || op.Acts == edge.OnSelf {
					continue
				}
				if path := place(t, op, others); path != place(t, op, granted) {
					apitest.Want(t, try(as, op, path), "403 permission_missing")
				}
				r := try(as, op, place(t, op, granted))
				if !strings.Contains(r.Body, "permission_missing") {
					reached[op.ID] = true
				}
				if op.Scoped && op.Permission == permission {
					prefix, _, _ := strings.Cut(resource, "_")
					shown := regexp.MustCompile(`\b`+prefix+`_\w{26}`).FindAllString(r.Body, -1)
					if slices.Sort(shown); !slices.Equal(slices.Compact(shown), []string{resource}) {
						t.Errorf("%s shows %v: %s", op.ID, shown, r.Body)
					}
				}
			}
			want := reachable[permission]
			for _, o := range api.All() {
				if id := o.Meta().ID; reached[id] != slices.Contains(want, id) {
					t.Errorf("%s is reached: %t", id, reached[id])
				}
			}
		})
	}
}

// reachable are the operations for which a permission on one resource is enough.
var reachable = map[auth.Permission][]string{
	auth.WebhookEndpointsRead:  {"listWebhookEndpoints", "getWebhookEndpoint", "getWebhookEndpointKeys", "getWebhookEndpointStatistics", "listOrderingKeys"},
	auth.WebhookEndpointsWrite: {"updateWebhookEndpoint", "deleteWebhookEndpoint", "rotateWebhookEndpointSecret", "resumeOrderingKey"},
	auth.DeliveriesRead:        {"listDeliveries", "getDelivery", "getRecovery", "listRecoveries"},
	auth.DeliveriesWrite:       {"redeliverDelivery", "cancelRecovery", "recoverWebhookEndpoint", "replayToWebhookEndpoint"},
	auth.EventsRead:            {"listEvents", "getEvent"},
}

// others makes resources on which nobody has a grant.
func others(acme apitest.Caller) map[string]string {
	made := things(acme.Harness.Organization("Other"))
	endpoint, _ := acme.NewEndpoint(`["b"]`)
	made["/v1/webhook-endpoints"] = endpoint
	event := acme.Publish(`{"type":"b","data":{}}`).Get(acme.T, "id")
	made["/v1/events"] = event
	made["/v1/deliveries"] = regexp.MustCompile(`dlv_\w{26}`).FindString(acme.Do("GET", "/v1/deliveries?endpoint_id="+endpoint, "").Body)
	made["/v1/recoveries"] = acme.Make("/v1/webhook-endpoints/"+endpoint+"/recover", `{"since":"2026-01-01T00:00:00Z"}`)
	return made
}

// A role that is taken away in one environment is gone in another within ten seconds.
func TestRoleIsTakenAway(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	member := acme.NewMember("ada@example.com", role.Developer)
	here := acme.AsMember(member)
	there := here.Environment(apitest.Never)
	for _, c := range []apitest.Caller{here, there} {
		apitest.Want(t, c.Publish(`{"type":"a","data":{}}`), "202 ")
	}
	apitest.Want(t, acme.Do("PATCH", "/v1/members/"+member, `{"role":"viewer"}`), "200 ")
	h.Clock.Advance(10 * time.Second)
	for _, c := range []apitest.Caller{here, there} {
		apitest.Want(t, c.Publish(`{"type":"a","data":{}}`), "403 permission_missing events:write")
		apitest.Want(t, c.Do("GET", "/v1/events", ""), "200 ")
	}
	apitest.Want(t, acme.Do("DELETE", "/v1/members/"+member, ""), "204 ")
	h.Clock.Advance(10 * time.Second)
	for _, c := range []apitest.Caller{here, there} {
		apitest.Want(t, c.Do("GET", "/v1/events", ""), "401 member_removed")
	}
}

// What gives rights is judged by the rights of now, not by those of five seconds ago.
func TestRightsAreReadAgainBeforeTheyAreGiven(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	member := acme.NewMember("ada@example.com", role.Owner)
	acme.NewMember("second@example.com", role.Owner)
	third := acme.NewMember("third@example.com", role.Viewer)
	there := acme.AsMember(member).Environment(apitest.Never)
	apitest.Want(t, there.Do("POST", "/v1/api-keys", `{"name":"k","permissions":["events:write"]}`), "201 ")
	apitest.Want(t, acme.Do("PATCH", "/v1/members/"+member, `{"role":"viewer"}`), "200 ")
	for _, request := range []struct{ method, path, body string }{
		{"POST", "/v1/api-keys", `{"name":"k","permissions":["events:write"]}`},
		{"POST", "/v1/members", `{"email":"fourth@example.com","role":"developer"}`},
		{"PATCH", "/v1/members/" + third, `{"role":"developer"}`},
		{"POST", "/v1/roles", `{"name":"mine","permissions":["events:write"]}`},
	} {
		apitest.Want(t, there.Do(request.method, request.path, request.body), "403 grant_exceeded")
	}
}

// Nobody changes their own role, and nobody the condition of a role that they have. What
// somebody has under a condition only, they do not give.
func TestOwnRole(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	acme.NewMember("first@example.com", role.Owner)
	owner := acme.NewMember("ada@example.com", role.Owner)
	apitest.Want(t, acme.AsMember(owner).Do("PATCH", "/v1/members/"+owner, `{"role":"viewer"}`), "403 own_role")
	apitest.Want(t, acme.AsMember(owner).Do("PATCH", "/v1/members/"+owner, `{"name":"Ada"}`), "200 ")
	from := acme.Make("/v1/roles", `{"name":"from","permissions":["roles:write","members:write","api_keys:write","events:read"],"condition":"context.ip == ip(\"192.0.2.1\")"}`)
	bound := acme.AsMember(acme.NewMember("eve@example.com", from))
	apitest.Want(t, bound.Do("GET", "/v1/events", ""), "200 ") // the address of httptest's requests
	apitest.Want(t, bound.Do("PATCH", "/v1/roles/"+from, `{"condition":""}`), "403 own_role")
	apitest.Want(t, bound.Do("POST", "/v1/api-keys", `{"name":"k","permissions":["events:read"]}`), "403 grant_exceeded")
	apitest.Want(t, bound.Do("POST", "/v1/members", `{"email":"x@example.com","role":"`+from+`"}`), "403 grant_exceeded")
}

// A condition on the resource decides about single resources, and refuses lists with the
// reason.
func TestConditionOnTheResource(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	test := acme.Make("/v1/webhook-endpoints", `{"url":"https://example.com/","event_types":["*"],"metadata":{"env":"test"}}`)
	live := acme.Make("/v1/webhook-endpoints", `{"url":"https://example.com/","event_types":["*"],"metadata":{"env":"live"}}`)
	testers := acme.Make("/v1/roles", `{"name":"testers","permissions":["webhook_endpoints:read"],"condition":"resource.metadata.env == \"test\""}`)
	tester := acme.AsMember(acme.NewMember("ada@example.com", testers))
	apitest.Want(t, tester.Do("GET", "/v1/webhook-endpoints/"+test, ""), "200 ")
	apitest.Want(t, tester.Do("GET", "/v1/webhook-endpoints/"+live, ""), "403 permission_missing")
	apitest.Want(t, tester.Do("GET", "/v1/webhook-endpoints", ""), "403 permission_missing testers gives webhook_endpoints:read under a condition")
}

// What gives or takes rights, and what shows a secret, asks a person for a proof of who
// they are that is at most ten minutes old.
func TestFreshProof(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	own := things(acme)
	owner := acme.AsMember(acme.NewMember("owner@example.com", role.Owner))
	h.Clock.Advance(10*time.Minute + time.Second)
	fresh := 0
	for _, o := range api.All() {
		op := o.Meta()
		if op.Acts.StaffOnly() || op.Permission == auth.Public {
			continue
		}
		r := try(owner, op, place(t, op, own))
		if asks := r.Status == http.StatusForbidden && strings.Contains(r.Body, "reauthentication_required"); asks != op.Fresh {
			t.Errorf("%s: %d %s", op.ID, r.Status, r.Body)
		}
		if op.Fresh {
			fresh++
		}
	}
	if fresh < 15 {
		t.Errorf("only %d operations are fresh", fresh)
	}
}

// The API reads no cookie, and no header says who calls.
func TestNoCookie(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	key := acme.Key
	acme.Key = ""
	for _, cookie := range []string{"__Host-portico=" + key, "session=" + key, "Authorization=Bearer " + key} {
		apitest.Want(t, acme.Do("GET", "/v1/events", "", "Cookie", cookie), "401 api_key_missing")
	}
}

// A function does not start with a list of resources that shows all of them to everybody,
// or with an operation that gives rights and asks for no proof.
func TestRightsAreDeclared(t *testing.T) {
	t.Parallel()
	refused := 0
	for _, o := range api.All() {
		op := o.Meta()
		if !op.Scoped && (!op.Fresh || op.Permission != auth.MembersWrite) {
			continue
		}
		op.Scoped, op.Fresh = false, false
		if _, err := (&edge.Server{}).Handler(edge.Read[none, none]{Op: op}); err == nil || !strings.Contains(err.Error(), op.ID) {
			t.Errorf("%s starts: %v", op.ID, err)
		}
		refused++
	}
	if refused < 6 {
		t.Errorf("only %d were tried", refused)
	}
}
