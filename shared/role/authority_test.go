package role_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/role"
)

func TestAuthority(t *testing.T) {
	t.Parallel()
	read, write := auth.WebhookEndpointsRead, auth.WebhookEndpointsWrite
	own := func(condition string, permissions ...auth.Permission) role.Role {
		return role.Role{Ref: role.Ref{Custom: id.New[id.Role](time.Now())}, Name: "own", Permissions: permissions, Condition: condition}
	}
	grant := role.Grant{Permission: read, ResourceType: "webhook_endpoint", ResourceID: "we_1"}
	office := role.Context{IP: netip.MustParseAddr("10.1.2.3"), Now: time.Now()}
	for _, tt := range []struct {
		name   string
		role   role.Role
		grants []role.Grant
		all    bool
		ids    int
		why    bool
		gives  bool
	}{
		{name: "no condition", role: own("", read), all: true, gives: true},
		{name: "another permission", role: own("", write)},
		{name: "true of the request", role: own(`context.ip.isInRange(ip("10.0.0.0/8"))`, read), all: true},
		{name: "false of the request", role: own(`context.ip.isInRange(ip("192.0.2.0/24"))`, read), grants: []role.Grant{grant}, ids: 1},
		{name: "about the resource", role: own(`resource.status == "enabled"`, read), grants: []role.Grant{grant}, ids: 1, why: true},
		{name: "about the resource, in brackets", role: own(`[resource.status].contains("enabled")`, read), why: true},
		{name: "about the resource, negated", role: own(`!(resource has status)`, read), why: true},
		{name: "the resource in a text", role: own(`context.ip.isInRange(ip("10.0.0.0/8")) && "resource" == "resource" // resource`, read), all: true},
		{name: "a missing attribute", role: own(`context.resources == 1`, read)},
		{name: "a grant only", role: own("", write), grants: []role.Grant{grant, {Permission: write, ResourceType: "webhook_endpoint", ResourceID: "we_2"}}, ids: 1},
	} {
		a := role.Authority{Judge: role.NewJudge(role.Subject{Roles: []role.Role{tt.role}, Grants: tt.grants}), Context: office}
		e := a.Extent(read)
		if e.All != tt.all || len(e.IDs) != tt.ids || (e.Why != "") != tt.why || e.None() != (!tt.all && tt.ids == 0 && !tt.why) {
			t.Errorf("%s: %+v", tt.name, e)
		}
		if slices.Contains(a.Gives(), read) != tt.gives {
			t.Errorf("%s: gives %v", tt.name, a.Gives())
		}
		bounded := auth.Bounded{Authority: a, By: auth.Set{write}}
		if !bounded.Extent(read).None() || bounded.Allows(read, auth.Resource{Type: "webhook_endpoint", ID: "we_1"}) || slices.Contains(bounded.Gives(), read) {
			t.Errorf("%s: bounded by another permission it still has %s", tt.name, read)
		}
	}
}
