package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/role"
	level "portico/shared/staff"
	"portico/shared/testkit"
)

// things makes the resources that routes with an id are called with: path up to
// the id → id.
func things(c apitest.Caller) map[string]string {
	c.T.Helper()
	endpoint, _ := c.NewEndpoint(`["*"]`)
	other, _ := c.NewEndpoint(`["other"]`)
	event := c.Publish(`{"type":"a","data":{}}`).Get(c.T, "id")
	member := c.NewMember("first@example.com", "owner")
	c.NewMember("second@example.com", "owner")
	granted := c.NewMember("third@example.com", weakest(c))
	grace := c.Harness.NewStaffPerson(level.Admin)
	deliveries := c.Do("GET", "/v1/deliveries", "").Body
	staff := c.Harness.NewStaff()
	redrive := staff.Make("/v1/staff/job-redrives", `{"filter":{}}`)
	entries := regexp.MustCompile(`aud_\w{26}`)
	app := c.NewApp(`"events:read"`)
	_, grant := c.AsGranted(app, granted, auth.EventsRead)
	return map[string]string{
		"/v1/organizations":           c.Org.String(),
		"/v1/me/sessions":             "ses_01890000000000000000000000", // nobody's
		"/v1/me/apps":                 app.String(),
		"/v1/me/organizations":        c.Org.String(), // who calls may be no member
		"/v1/webhook-endpoints":       endpoint,
		"/v1/events":                  event,
		"/v1/event-types":             catalogued(c),
		"/v1/event-consumers":         c.Make("/v1/event-consumers", `{"name":"warehouse","event_types":["*"]}`),
		"/v1/audit-streams":           c.Make("/v1/audit-streams", apitest.HTTPSStream),
		"/v1/deliveries":              regexp.MustCompile(`dlv_\w{26}`).FindString(deliveries),
		"/v1/members":                 member,
		"/v1/invitations":             c.Make("/v1/invitations", `{"email":"fourth@example.com","role":"`+weakest(c)+`"}`),
		"/v1/roles":                   someRole(c),
		"/v1/staff-access":            grace.Open(c.Org, ""),
		"/v1/staff/users":             grace.As.Actor.ID,
		"/v1/users":                   suspendable(c.Harness),
		"/v1/resource-grants":         c.Make("/v1/resource-grants", `{"member_id":"`+granted+`","permission":"webhook_endpoints:read","resource_id":"`+endpoint+`"}`),
		"/v1/jobs":                    c.NewJob(apitest.Export, "x").String(),
		"/v1/staff/mails":             c.NewMail("ada@example.com", "things").String(),
		"/v1/staff/mail-templates":    "member_added",
		"/v1/staff/mail-suppressions": suppressed(c),
		"/v1/job-redrives":            c.Make("/v1/job-redrives", `{"filter":{}}`),
		"/v1/staff/jobs":              c.NewJob(apitest.Export, "x").String(),
		"/v1/staff/job-redrives":      redrive,
		"/v1/audit-log":               entries.FindString(c.Do("GET", "/v1/audit-log", "").Body),
		"/v1/staff/audit-log":         entries.FindString(staff.Do("GET", "/v1/staff/audit-log", "").Body),
		"/v1/staff/job-kinds":         apitest.Hidden.Name,
		"/v1/staff/job-schedules":     apitest.Tidy.Name,
		"/v1/recoveries":              c.Make("/v1/webhook-endpoints/"+other+"/recover", `{"since":"2026-01-01T00:00:00Z"}`),
		"/v1/audit-exports":           c.Make("/v1/audit-exports", `{"format":"csv"}`),
		"/v1/audit-export-schedules":  c.Make("/v1/audit-export-schedules", `{"every":"day","format":"csv","member_id":"`+member+`"}`),
		"/v1/erasures":                c.Make("/v1/erasures", `{"recipient":"ada@example.com"}`),
		"/v1/domains":                 c.Make("/v1/domains", `{"name":"portal.example.com"}`),
		"/v1/sso-connections":         directed(c),
		"/v1/oauth-clients":           app.String(),
		"/v1/oauth-grants":            grant.String(),
		"/v1/api-keys":                regexp.MustCompile(`key_\w{26}`).FindString(c.Do("GET", "/v1/api-keys", "").Body),
	}
}

// joined makes an organization of which a person is a member.
func joined(c apitest.Caller, email, role string) string {
	c.T.Helper()
	other := c.Organization("Other")
	other.NewMember(email, role)
	return other.Org.String()
}

// letIn makes an app that a member has let in.
func letIn(c apitest.Caller, member string) string {
	c.T.Helper()
	app := c.NewApp(`"events:read"`)
	c.AsGranted(app, member, auth.EventsRead)
	return app.String()
}

// suspendable makes a person who is not staff.
func suspendable(h *apitest.Harness) string {
	h.T.Helper()
	person, _ := h.NewPerson(uuid.NewString() + "@example.com")
	return person.As.User.String()
}

// directed makes a connection with a directory.
func directed(c apitest.Caller) string {
	c.T.Helper()
	connection := c.Make("/v1/sso-connections", `{"type":"saml","name":"Okta"}`)
	apitest.Want(c.T, c.Do("POST", "/v1/sso-connections/"+connection+"/directory", "{}"), "201 ")
	return connection
}

// someRole makes a role of the organization's own, or returns the weakest one if its role
// model has none.
func someRole(c apitest.Caller) string {
	c.T.Helper()
	r := c.Do("POST", "/v1/roles", `{"name":"own","permissions":["events:read"]}`)
	if r.Status == http.StatusConflict {
		apitest.Want(c.T, r, "409 role_not_in_model")
		return weakest(c)
	}
	return r.Get(c.T, "id")
}

// weakest returns the last role that the organization's role model has.
func weakest(c apitest.Caller) string {
	c.T.Helper()
	var list struct{ Data []struct{ ID string } }
	c.Do("GET", "/v1/roles", "").Decode(c.T, &list)
	return list.Data[len(list.Data)-1].ID
}

// catalogued adds an event type with a name that no other organization has.
func catalogued(c apitest.Caller) string {
	c.T.Helper()
	apitest.Want(c.T, c.Do("POST", "/v1/event-types", `{"name":"`+c.Org.String()+`","schema":{}}`), "201 ")
	return c.Org.String()
}

// suppressed makes an address that gets no mail, and returns the id of its entry.
func suppressed(c apitest.Caller) string {
	c.T.Helper()
	staff := c.NewStaff()
	return staff.Make("/v1/staff/mail-suppressions", `{"recipient":"eve@example.com","reason":"test"}`)
}

// whole returns a complete body for an operation, or {}.
var whole = map[string]string{
	"createEventTypeVersion":  `{"schema":{}}`,
	"validateEventData":       `{"data":1}`,
	"resumeOrderingKey":       `{"ordering_key":"k"}`,
	"recoverWebhookEndpoint":  `{"since":"2026-01-01T00:00:00Z"}`,
	"replayToWebhookEndpoint": `{"since":"2026-01-01T00:00:00Z"}`,
	"replayAuditStream":       `{"from":1}`,
	"createAuditExport":       `{"format":"csv"}`,
	"forgetAuditActor":        `{"actor_id":"bootstrap"}`,
	"createErasure":           `{"ordering_keys":["k"]}`,
	"setAPIKeyLimit":          `{"limit":5}`,
	"setOrganizationLimit":    `{"limit":5}`,
}

// Every route is called with every predefined role, with the caller's own
// resource and another organization's. Without the permission it is refused
// before anything is looked up. With it, another organization's resource looks
// like one that does not exist, and does not change.
func TestMatrix(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	evil := h.Organization("Evil")
	foreign := untouched(t, evil)
	for _, r := range role.AllPredefined() {
		t.Run(r.Name, func(t *testing.T) {
			acme := h.Organization("Acme")
			own, as := things(acme), acme.With(r.Permissions...)
			matrix{own: own, foreign: foreign, holds: r.Permissions}.try(t, as)
		})
	}
}

// untouched makes the resources of an organization, and fails the test if it has changed at
// the end.
func untouched(t *testing.T, c apitest.Caller) map[string]string {
	t.Helper()
	made := things(c)
	before := apitest.Checksum(c)
	t.Cleanup(func() {
		if after := apitest.Checksum(c); after != before {
			t.Errorf("the other organization was\n%s\nand is\n%s", before, after)
		}
	})
	return made
}

// matrix are the resources of two organizations, and what the caller may do.
type matrix struct {
	own, foreign map[string]string
	holds        []auth.Permission
	person       bool // the caller is one
}

// try calls every operation with the caller's own resource, another organization's and
// one that does not exist.
func (m matrix) try(t *testing.T, as apitest.Caller) {
	t.Helper()
	for _, o := range sorted(api.All()) {
		op := o.Meta()
		if op.Permission == auth.Public {
			continue
		}
		ownPath, foreignPath := place(t, op, m.own), place(t, op, m.foreign)
		missing := regexp.MustCompile(`_\w{26}`).ReplaceAllString(foreignPath, "_01890000000000000000000000")
		if op.Acts.StaffOnly() {
			apitest.Want(t, try(as, op, ownPath), "403 staff_only")
			continue
		}
		a, b := try(as, op, foreignPath), try(as, op, missing)
		answers := try(as, op, ownPath) // last, because it may end the key that calls
		if op.Acts == edge.OnSelf && !m.person {
			apitest.Want(t, answers, "403 person_only")
			continue
		}
		if op.Acts != edge.OnSelf && !slices.Contains(m.holds, op.Permission) {
			apitest.Want(t, answers, "403 permission_missing "+string(op.Permission))
			apitest.Want(t, a, "403 permission_missing "+string(op.Permission))
			continue
		}
		if s := answers.Status; s == 401 || s == 403 && strings.Contains(answers.Body, "permission_missing") || s == 404 && op.ID != "resumeOrderingKey" || s >= 500 {
			t.Errorf("%s of the caller's own: %d %s", op.ID, s, answers.Body)
		}
		if foreignPath == ownPath {
			continue // no id
		}
		if a.Status != http.StatusNotFound || a.Body != b.Body {
			t.Errorf("%s of another organization's: %d %s; of a missing one: %d %s", op.ID, a.Status, a.Body, b.Status, b.Body)
		}
	}
}

// Every operation is called with a staff key that has its permission and no other,
// and with one that has all others. Without the permission it is refused before
// anything is looked up, also if the organization does not exist.
func TestMatrixOfStaffKeys(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	own, keys := things(acme), map[string]apitest.Caller{}
	with := func(permissions []auth.Permission) apitest.Caller {
		encoded, err := json.Marshal(permissions)
		testkit.Must(t, err)
		list := string(encoded)
		if _, made := keys[list]; !made {
			keys[list] = apitest.Caller{Harness: h, Key: h.Bootstrap(`{"command":"create_staff_key","name":"Ada","permissions":` + list + `}`).StaffKey}
		}
		return keys[list]
	}
	for _, o := range sorted(api.All()) {
		op := o.Meta()
		if op.Permission == auth.Public {
			continue
		}
		if op.Acts == edge.OnSelf {
			apitest.Want(t, try(with(auth.All()), op, place(t, op, own)), "403 person_only")
			continue
		}
		others := slices.DeleteFunc(auth.All(), func(p auth.Permission) bool { return p == op.Permission })
		for _, organization := range []string{acme.Org.String(), "org_01890000000000000000000000"} {
			r := try(with(others), op, place(t, op, own), "Portico-Organization", organization)
			apitest.Want(t, r, "403 permission_missing "+string(op.Permission))
		}
		r := try(with([]auth.Permission{op.Permission}), op, place(t, op, own), "Portico-Organization", acme.Org.String())
		if r.Status == 401 || r.Status == 403 && strings.Contains(r.Body, "API key lacks the permission "+string(op.Permission)) || r.Status >= 500 {
			t.Errorf("%s with %s only: %d %s", op.ID, op.Permission, r.Status, r.Body)
		}
	}
}

// sorted puts operations that end a resource last, and operations that end all
// resources after them.
func sorted(operations []edge.Operation) []edge.Operation {
	rank := func(o edge.Operation) int {
		switch op := o.Meta(); {
		case op.ID == "deleteOrganization":
			return 2
		case op.Method == http.MethodDelete || strings.HasSuffix(op.Path, "/revoke"):
			return 1
		}
		return 0
	}
	slices.SortStableFunc(operations, func(a, b edge.Operation) int { return rank(a) - rank(b) })
	return operations
}

// requiredQuery returns the query parameters that an operation demands, with their
// examples.
func requiredQuery(op edge.Op) string {
	query := url.Values{}
	for _, p := range described(op).Parameters {
		if p.In == "query" && p.Required {
			query.Set(p.Name, p.Schema["examples"].([]any)[0].(string))
		}
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// place fills in an operation's path. It fails for a route if nobody makes its
// resource.
func place(t *testing.T, op edge.Op, things map[string]string) string {
	t.Helper()
	before, after, ok := strings.Cut(op.Path, "/{id}")
	if !ok {
		before, after, ok = strings.Cut(op.Path, "/{name}")
	}
	if !ok {
		return strings.Replace(op.Path, "{policy}", "organization_work", 1) + requiredQuery(op)
	}
	after = strings.Replace(after, "{policy}", "work", 1)
	if things[before] == "" {
		t.Fatalf("%s: make one of %s in things", op.ID, before)
	}
	return before + "/" + things[before] + after
}

// try calls an operation with a body that it accepts or finds incomplete.
func try(c apitest.Caller, op edge.Op, path string, headers ...string) apitest.Reply {
	c.T.Helper()
	body := whole[op.ID]
	if body == "" && (op.Method == http.MethodPost || op.Method == http.MethodPatch) {
		body = "{}"
	}
	return c.Do(op.Method, path, body, headers...)
}

// No client can write the fields that the server sets: every operation with a
// body refuses a field that it does not describe, and names it. None of the
// described fields is one of these.
func TestServerOwnedFields(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	own, checked := things(acme), 0
	staff := apitest.Caller{Harness: h, Key: h.Bootstrap(`{"command":"create_staff_key","name":"Ada"}`).StaffKey}
	person, _ := h.NewPerson("person@example.com")
	for _, o := range api.All() {
		op := o.Meta()
		described := bodyOf(h.Server.OpenAPI(), op)
		if described == nil {
			continue
		}
		for _, field := range []string{"id", "org_id", "organization_id", "user_id", "created_at", "updated_at", "deleted_at", "predefined", "role_id", "hash", "secret"} {
			if _, open := described.Properties[field]; open {
				t.Errorf("%s lets its caller write %s", op.ID, field)
			}
			as, headers := acme, []string(nil)
			if op.Acts.StaffOnly() {
				as = staff
			}
			if op.Acts == edge.OnSelf {
				as = person
			}
			if op.Acts == edge.OnChosen || op.Acts == edge.OnClosed {
				headers = []string{"Portico-Organization", acme.Org.String()}
			}
			r := as.Do(op.Method, place(t, op, own), `{"`+field+`":"x"}`, headers...)
			apitest.Want(t, r, "422 body."+field)
			checked++
		}
	}
	if checked < 100 {
		t.Errorf("only %d fields were tried", checked)
	}
}

func bodyOf(described *huma.OpenAPI, op edge.Op) *huma.Schema {
	item := described.Paths[op.Path]
	o := map[string]*huma.Operation{"POST": item.Post, "PATCH": item.Patch, "PUT": item.Put}[op.Method]
	if o == nil || o.RequestBody == nil {
		return nil
	}
	schema := o.RequestBody.Content["application/json"].Schema
	if schema.Ref != "" {
		schema = described.Components.Schemas.SchemaFromRef(schema.Ref)
	}
	return schema
}

// No route starts without a permission.
func TestEveryRouteNeedsAPermission(t *testing.T) {
	t.Parallel()
	server := &edge.Server{}
	for _, o := range api.All() {
		op := o.Meta()
		op.Permission = ""
		_, err := server.Handler(edge.Global[none, none]{Op: op})
		if err == nil || !strings.Contains(err.Error(), op.ID) {
			t.Errorf("%s starts without a permission: %v", op.ID, err)
		}
	}
}
