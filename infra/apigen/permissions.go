package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"portico/shared/api"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/role"
)

const permissionsHeader = `# Permissions

Generated from the registries of permissions, roles and operations. Do not edit: run "make generate".

An API key has a set of permissions. A member has a role, and resource grants: one permission on one webhook endpoint or event. An organization can create its own roles; a condition in Cedar may restrict them. A staff key has every permission, or those that were listed when it was made. A caller can give or take only permissions that it has, and the last owner cannot be removed. Nobody holds the permission "self": every person has it for their own account, and so has an app to which the person gives it.
`

// renderPermissions returns docs/permissions.md: what each permission allows and which predefined roles have it, and the
// same for each route.
func renderPermissions() []byte {
	out := bytes.NewBufferString(permissionsHeader)
	out.WriteString("\n## By permission\n\n")
	heading(out, "permission", "allows to")
	for _, p := range auth.All() {
		row(out, p, "`"+string(p)+"`", auth.Description[p])
	}
	out.WriteString("\n## By route\n\n")
	heading(out, "route", "permission")
	for _, op := range guarded() {
		if op.Acts.StaffOnly() {
			line(out, append([]string{"`" + op.Method + " " + op.Path + "`", "`" + string(op.Permission) + "`, staff keys only"}, make([]string, len(role.AllPredefined()))...))
			continue
		}
		row(out, op.Permission, "`"+op.Method+" "+op.Path+"`", "`"+string(op.Permission)+"`")
	}
	return out.Bytes()
}

// guarded lists the operations that need a permission, by path and method.
func guarded() []edge.Op {
	var ops []edge.Op
	for _, o := range api.All() {
		if op := o.Meta(); op.Permission != auth.Public {
			ops = append(ops, op)
		}
	}
	slices.SortFunc(ops, func(a, b edge.Op) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method)) })
	return ops
}

func heading(out *bytes.Buffer, columns ...string) {
	for _, r := range role.AllPredefined() {
		columns = append(columns, r.Name)
	}
	line(out, columns)
	for i := range columns {
		columns[i] = "---"
	}
	line(out, columns)
}

func row(out *bytes.Buffer, p auth.Permission, columns ...string) {
	for _, r := range role.AllPredefined() {
		cell := ""
		if slices.Contains(r.Permissions, p) {
			cell = "yes"
		}
		columns = append(columns, cell)
	}
	line(out, columns)
}

func line(out *bytes.Buffer, columns []string) {
	out.WriteString("|")
	for _, c := range columns {
		fmt.Fprintf(out, " %s |", c)
	}
	out.WriteString("\n")
}
