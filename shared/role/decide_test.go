package role_test

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/role"
)

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func custom(condition string, permissions ...auth.Permission) role.Role {
	return role.Role{Ref: role.Ref{Custom: id.New[id.Role](now)}, Name: "custom", Permissions: permissions, Condition: condition}
}

func predefined(t testing.TB, name string) role.Role {
	t.Helper()
	r, ok := role.Predefined(name)
	if !ok {
		t.Fatal(name)
	}
	return r
}

func endpoint(n string) auth.Resource {
	return auth.Resource{Type: "webhook_endpoint", ID: "we_" + n, Attributes: map[string]any{
		"status": "enabled", "metadata": map[string]string{"team": n}, "types": []string{"a", n}, "locked": n == "2", "size": int64(5),
	}}
}

// A member may do only what a role or a grant allows. A condition that is false,
// or cannot be evaluated, allows nothing.
func TestDecide(t *testing.T) {
	t.Parallel()
	const read, write = auth.WebhookEndpointsRead, auth.WebhookEndpointsWrite
	from := func(ip string) role.Context { return role.Context{IP: netip.MustParseAddr(ip), Now: now} }
	grant := func(p auth.Permission, r auth.Resource) []role.Grant {
		return []role.Grant{{Permission: p, ResourceType: r.Type, ResourceID: r.ID}}
	}
	for _, tt := range []struct {
		name    string
		roles   []role.Role
		grants  []role.Grant
		p       auth.Permission
		r       auth.Resource
		c       role.Context
		allowed bool
		why     string // part of the last source's reason
	}{
		{name: "nobody", p: read},
		{name: "the owner does everything", roles: []role.Role{predefined(t, role.Owner)}, p: auth.OrganizationWrite, allowed: true},
		{name: "an admin does not change the organization", roles: []role.Role{predefined(t, role.Admin)}, p: auth.OrganizationWrite},
		{name: "a viewer reads", roles: []role.Role{predefined(t, role.Viewer)}, p: read, r: endpoint("1"), allowed: true},
		{name: "a viewer does not write", roles: []role.Role{predefined(t, role.Viewer)}, p: write, r: endpoint("1")},
		{name: "a viewer does not read the audit log", roles: []role.Role{predefined(t, role.Viewer)}, p: auth.AuditLogRead},
		{name: "a grant on the resource", grants: grant(write, endpoint("1")), p: write, r: endpoint("1"), allowed: true},
		{name: "a grant on another resource", grants: grant(write, endpoint("2")), p: write, r: endpoint("1")},
		{name: "a grant on something of another type", grants: []role.Grant{{Permission: write, ResourceType: "event", ResourceID: "we_1"}}, p: write, r: endpoint("1")},
		{name: "a grant of another permission", grants: grant(read, endpoint("1")), p: write, r: endpoint("1")},
		{name: "a grant, but nothing in particular is asked about", grants: grant(write, endpoint("1")), p: write},
		{name: "an empty grant covers nothing", grants: []role.Grant{{Permission: write}}, p: write},
		{name: "a role or a grant suffices", roles: []role.Role{custom("false", write)}, grants: grant(write, endpoint("1")), p: write, r: endpoint("1"), allowed: true},
		{name: "one of two roles suffices", roles: []role.Role{custom("false", read), custom("true", read)}, p: read, allowed: true},
		{name: "the address is in the range", roles: []role.Role{custom(`context.ip.isInRange(ip("10.0.0.0/8"))`, read)}, p: read, c: from("10.1.2.3"), allowed: true},
		{name: "the address is outside", roles: []role.Role{custom(`context.ip.isInRange(ip("10.0.0.0/8"))`, read)}, p: read, c: from("192.0.2.1"), why: "is false"},
		{name: "the address is unknown", roles: []role.Role{custom(`context.ip.isInRange(ip("10.0.0.0/8"))`, read)}, p: read, why: "cannot be evaluated"},
		{name: "the address is unknown and denied", roles: []role.Role{custom(`!context.ip.isInRange(ip("10.0.0.0/8"))`, read)}, p: read, why: "cannot be evaluated"},
		{name: "asked for before use", roles: []role.Role{custom(`context has ip && context.ip.isLoopback()`, read)}, p: read, why: "is false"},
		{name: "the time has come", roles: []role.Role{custom(`context.now >= datetime("2026-01-01")`, read)}, p: read, c: role.Context{Now: now}, allowed: true},
		{name: "the time has not come", roles: []role.Role{custom(`context.now >= datetime("2027-01-01")`, read)}, p: read, c: role.Context{Now: now}, why: "is false"},
		{name: "an attribute of the resource", roles: []role.Role{custom(`resource.metadata.team == "1"`, read)}, p: read, r: endpoint("1"), allowed: true},
		{name: "another value of it", roles: []role.Role{custom(`resource.metadata.team == "1"`, read)}, p: read, r: endpoint("2"), why: "is false"},
		{name: "an attribute that it lacks", roles: []role.Role{custom(`resource.metadata.owner == "1"`, read)}, p: read, r: endpoint("1"), why: "cannot be evaluated"},
		{name: "unless it is locked, which is unknown", roles: []role.Role{custom(`!resource.locked`, read)}, p: read, r: auth.Resource{Type: "event", ID: "evt_1"}, why: "cannot be evaluated"},
		{name: "unless it is locked", roles: []role.Role{custom(`!resource.locked`, read)}, p: read, r: endpoint("1"), allowed: true},
		{name: "no resource at all", roles: []role.Role{custom(`resource.status == "enabled"`, read)}, p: read, why: "cannot be evaluated"},
		{name: "a list and a number", roles: []role.Role{custom(`resource.types.contains("1") && resource.size > 4`, read)}, p: read, r: endpoint("1"), allowed: true},
		{name: "the type and the id", roles: []role.Role{custom(`resource.type == "webhook_endpoint" && resource.id like "we_*"`, read)}, p: read, r: endpoint("1"), allowed: true},
		{name: "a wrong type in the middle", roles: []role.Role{custom(`resource.status > 1`, read)}, p: read, r: endpoint("1"), why: "cannot be evaluated"},
		{name: "a number that overflows", roles: []role.Role{custom(`9223372036854775807 + 1 > 0`, read)}, p: read, why: "cannot be evaluated"},
		{name: "a condition that is no longer understood", roles: []role.Role{custom(`what?`, read)}, p: read, why: "cannot be read"},
		{name: "a condition does not add permissions", roles: []role.Role{custom(`true`, read)}, p: write, r: endpoint("1")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := role.NewJudge(role.Subject{Member: id.New[id.Member](now), Roles: tt.roles, Grants: tt.grants}).Decide(tt.p, tt.r, tt.c)
			why := ""
			if len(d.Sources) > 0 {
				why = d.Sources[len(d.Sources)-1].Why
			}
			if d.Allowed != tt.allowed || !strings.Contains(why, tt.why) || tt.why == "" && why != "" {
				t.Errorf("%+v, want allowed %v because %q", d, tt.allowed, tt.why)
			}
		})
	}
}

// A condition is one expression. It cannot end its policy and begin another one
// that allows more than the role.
func TestCheckCondition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                       "",
		"true":                                   "",
		"context.ip.isLoopback() // from inside": "",
		`resource.name == "};"`:                  "",
		"true } unless { false":                  "must be one Cedar",
		"true }; permit (principal, action, resource) when { true":          "must be one Cedar",
		"false };\npermit (principal, action, resource); //":                "not a Cedar",
		"false };\npermit (principal, action, resource) when { 1 == 1 // }": "must be one Cedar",
		"true };":                        "not a Cedar",
		"}":                              "not a Cedar",
		"what?":                          "not a Cedar",
		"// nothing":                     "not a Cedar",
		"\x00":                           "U+0000",
		strings.Repeat("(", 20) + "true": "not a Cedar",
		strings.Repeat("(", 32) + "true" + strings.Repeat(")", 32):                            "",
		strings.Repeat("(", 33) + "true" + strings.Repeat(")", 33):                            "deeper than 32",
		strings.Repeat("!", 900) + "true":                                                     "deeper than 32",
		strings.Repeat("! ", 33) + "true":                                                     "deeper than 32",
		`/*"*/` + strings.Repeat("!", 900) + "true":                                           "deeper than 32",
		strings.Repeat("!//\n", 200) + "true":                                                 "deeper than 32",
		strings.Repeat("!/**/", 150) + "true":                                                 "deeper than 32",
		`/* " */ true`:                                                                        "",
		"1 == " + strings.Repeat("-", 33) + "1":                                               "deeper than 32",
		strings.Repeat("!(", 17) + "true" + strings.Repeat(")", 17):                           "deeper than 32",
		strings.Repeat("!(", 16) + "true" + strings.Repeat(")", 16):                           "",
		strings.Repeat("[", 33) + strings.Repeat("]", 33) + " == 1":                           "deeper than 32",
		strings.Repeat("!true && ", 90) + "!true":                                             "",
		`resource.name == "` + strings.Repeat("(", 99) + `\"` + strings.Repeat("!", 99) + `"`: "",
		"true // " + strings.Repeat("(", 99):                                                  "",
		strings.Repeat("true != ", 1) + "false" + strings.Repeat(" || 1 != 2", 90):            "",
		"true || " + strings.Repeat("true || ", 200) + "true":                                 "at most 1000",
	} {
		err := role.CheckCondition(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

// The cost of checking the longest condition is limited by its length, whatever
// its form. It is counted in bytes of memory, because time depends on the
// machine.
func TestCheckConditionIsCheap(t *testing.T) {
	for name, text := range map[string]string{
		"operators in one another": strings.Repeat("!", 990) + "true",
		"brackets in one another":  strings.Repeat("(", 495) + "true" + strings.Repeat(")", 495),
		"a path after has":         "resource has a" + strings.Repeat(".a", 490),
		"a path":                   "resource" + strings.Repeat(".a", 490),
		"a chain of operators":     "true" + strings.Repeat("||true", 165),
		"additions":                "1==1" + strings.Repeat("+1", 497),
	} {
		if used := allocated(func() { _ = role.CheckCondition(text) }); used > 32<<20 { // refused or not
			t.Errorf("%s: %d MB to check %d bytes", name, used>>20, len(text))
		}
	}
}

// The condition of a role is compiled once, however many decisions are made for a
// member.
func TestConditionIsCompiledOnce(t *testing.T) {
	condition := "true" + strings.Repeat("||true", 165)
	compiling := allocated(func() { _ = role.CheckCondition(condition) })
	deciding := allocated(func() {
		judge := role.NewJudge(role.Subject{Roles: []role.Role{custom(condition, auth.EventsRead)}})
		for range 100 {
			if !judge.Decide(auth.EventsRead, auth.Resource{}, role.Context{}).Allowed {
				t.Error("denied")
			}
		}
	})
	if deciding > 10*compiling {
		t.Errorf("a hundred decisions took %d KB, compiling takes %d KB", deciding>>10, compiling>>10)
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
