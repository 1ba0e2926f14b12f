package api_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/api"
	"portico/shared/auth"
	"portico/shared/role"
)

// things makes what routes with an id are called with: path up to the id → id.
func things(c caller) map[string]string {
	c.t.Helper()
	endpoint, _ := c.newEndpoint(`["*"]`)
	event := c.publish(`{"type":"a","data":{}}`).get(c.t, "id")
	member := c.newMember("first@example.com", "owner")
	c.newMember("second@example.com", "owner")
	granted := c.newMember("third@example.com", "viewer")
	deliveries := c.do("GET", "/v1/deliveries", "").body
	return map[string]string{
		"/v1/organizations":     c.org.String(),
		"/v1/webhook-endpoints": endpoint,
		"/v1/events":            event,
		"/v1/deliveries":        regexp.MustCompile(`dlv_\w{26}`).FindString(deliveries),
		"/v1/members":           member,
		"/v1/roles":             c.make("/v1/roles", `{"name":"own","permissions":["events:read"]}`),
		"/v1/resource-grants":   c.make("/v1/resource-grants", `{"member_id":"`+granted+`","permission":"webhook_endpoints:read","resource_id":"`+endpoint+`"}`),
		"/v1/domains":           c.make("/v1/domains", `{"name":"portal.example.com"}`),
		"/v1/api-keys":          regexp.MustCompile(`key_\w{26}`).FindString(c.do("GET", "/v1/api-keys", "").body),
	}
}

// whole is a body with which an operation can be called in full; {} otherwise.
var whole = map[string]string{
	"resumeOrderingKey": `{"ordering_key":"k"}`,
}

// Every route against every predefined role, with one's own thing and another
// organization's: who lacks the permission is refused before anything is looked
// at; who has it is let in to their own, and another's answers like one that
// does not exist, and is what it was afterwards.
func TestMatrix(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	evil := h.org("Evil")
	foreign := things(evil)
	before := checksum(evil)
	t.Cleanup(func() {
		if after := checksum(evil); after != before {
			t.Errorf("the other organization was\n%s\nand is\n%s", before, after)
		}
	})
	for _, r := range role.AllPredefined() {
		t.Run(r.Name, func(t *testing.T) {
			acme := h.org("Acme")
			own, as := things(acme), acme.with(r.Permissions...)
			for _, o := range sorted(api.All()) {
				op := o.Meta()
				if op.Permission == auth.Public {
					continue
				}
				ownPath, foreignPath := place(t, op, own), place(t, op, foreign)
				missing := regexp.MustCompile(`_\w{26}`).ReplaceAllString(foreignPath, "_01890000000000000000000000")
				if op.Acts.StaffOnly() {
					want(t, try(as, op, ownPath), "403 staff_only")
					continue
				}
				a, b := try(as, op, foreignPath), try(as, op, missing)
				answers := try(as, op, ownPath) // last: it may end the key that calls
				if !slices.Contains(r.Permissions, op.Permission) {
					want(t, answers, "403 permission_missing "+string(op.Permission))
					want(t, a, "403 permission_missing "+string(op.Permission))
					continue
				}
				if s := answers.status; s == 401 || s == 403 && strings.Contains(answers.body, "permission_missing") || s == 404 && op.ID != "resumeOrderingKey" || s >= 500 {
					t.Errorf("%s of one's own: %d %s", op.ID, s, answers.body)
				}
				if foreignPath == ownPath {
					continue // no id
				}
				if a.status != http.StatusNotFound || a.body != b.body {
					t.Errorf("%s of another's: %d %s; of a missing one: %d %s", op.ID, a.status, a.body, b.status, b.body)
				}
			}
		})
	}
}

// sorted puts what ends a thing last, and what ends all of them behind that.
func sorted(operations []api.Operation) []api.Operation {
	rank := func(o api.Operation) int {
		switch op := o.Meta(); {
		case op.ID == "deleteOrganization":
			return 2
		case op.Method == http.MethodDelete || strings.HasSuffix(op.Path, "/revoke"):
			return 1
		}
		return 0
	}
	slices.SortStableFunc(operations, func(a, b api.Operation) int { return rank(a) - rank(b) })
	return operations
}

// place fills in an operation's path. A route whose thing nobody makes fails.
func place(t *testing.T, op api.Op, things map[string]string) string {
	t.Helper()
	before, after, ok := strings.Cut(op.Path, "/{id}")
	if !ok {
		return op.Path
	}
	if things[before] == "" {
		t.Fatalf("%s: make one of %s in things", op.ID, before)
	}
	return before + "/" + things[before] + after
}

// try calls an operation with a body that it accepts or finds incomplete.
func try(c caller, op api.Op, path string) reply {
	c.t.Helper()
	body := whole[op.ID]
	if body == "" && (op.Method == http.MethodPost || op.Method == http.MethodPatch) {
		body = "{}"
	}
	return c.do(op.Method, path, body)
}

// Nobody writes what is the server's: a body with a field that the operation
// does not describe is refused by every operation that takes one, and says
// which field. The described ones never are among these.
func TestServerOwnedFields(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	own, checked := things(acme), 0
	staff := caller{harness: h, key: h.begin(`{"command":"create_staff_key","name":"Ada"}`).StaffKey}
	for _, o := range api.All() {
		op := o.Meta()
		described := bodyOf(h.edge.OpenAPI(), op)
		if described == nil {
			continue
		}
		for _, field := range []string{"id", "org_id", "organization_id", "user_id", "created_at", "updated_at", "deleted_at", "predefined", "role_id", "hash", "secret"} {
			if _, open := described.Properties[field]; open {
				t.Errorf("%s lets its caller write %s", op.ID, field)
			}
			as := acme
			if op.Acts.StaffOnly() {
				as = staff
			}
			r := as.do(op.Method, place(t, op, own), `{"`+field+`":"x"}`)
			want(t, r, "422 body."+field)
			checked++
		}
	}
	if checked < 100 {
		t.Errorf("only %d fields were tried", checked)
	}
}

func bodyOf(described *huma.OpenAPI, op api.Op) *huma.Schema {
	item := described.Paths[op.Path]
	o := map[string]*huma.Operation{"POST": item.Post, "PATCH": item.Patch}[op.Method]
	if o == nil || o.RequestBody == nil {
		return nil
	}
	schema := o.RequestBody.Content["application/json"].Schema
	if schema.Ref != "" {
		schema = described.Components.Schemas.SchemaFromRef(schema.Ref)
	}
	return schema
}

// A route without a permission does not start, whichever it is.
func TestEveryRouteNeedsAPermission(t *testing.T) {
	t.Parallel()
	edge := &api.Server{}
	for _, o := range api.All() {
		op := o.Meta()
		op.Permission = ""
		_, err := edge.Handler(api.Global[none, none]{Op: op})
		if err == nil || !strings.Contains(err.Error(), op.ID) {
			t.Errorf("%s starts without a permission: %v", op.ID, err)
		}
	}
}
