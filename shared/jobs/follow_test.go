package jobs_test

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"portico/shared/auth"
	"portico/shared/directory"
	"portico/shared/id"
	"portico/shared/job/jobtest"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/testkit"
)

// followingGroups gives a group of 110 people another role, in three steps.
func followingGroups(ctx context.Context, w *jobtest.World) error {
	connection, group := id.SSOConnection{UUID: uuid.UUID{15: 1}}, uuid.UUID{15: 2}
	w.Insert(w.T, "sso_connection", testkit.Row{"org_id": w.Org, "id": connection, "type": "saml", "name": "Okta", "status": "active", "predefined": "viewer"})
	w.Insert(w.T, "directory", testkit.Row{"org_id": w.Org, "connection_id": connection, "token_hash": make([]byte, 32), "maker_type": auth.StaffKey, "maker_id": "k"})
	w.Insert(w.T, "directory_group", testkit.Row{"org_id": w.Org, "id": group, "connection_id": connection, "display_name": "Engineering", "external_id": ""})
	for n := range 110 {
		one := uuid.UUID{14: 1, 15: byte(n)}
		email := fmt.Sprintf("n%d@example.com", n)
		w.AddUser(w.T, id.User{UUID: one}, email)
		w.Insert(w.T, "member", testkit.Row{"org_id": w.Org, "id": one, "user_id": one, "name": "", "predefined": "viewer", "created_at": w.Clock.Now(), "updated_at": w.Clock.Now()})
		w.Insert(w.T, "directory_user", testkit.Row{
			"org_id": w.Org, "id": one, "connection_id": connection, "user_name": email, "external_id": "", "email": email, "given_name": "", "family_name": "", "display_name": "",
			"active": true, "member_id": one,
		})
		w.Insert(w.T, "directory_group_user", testkit.Row{"org_id": w.Org, "group_id": group, "user_id": one})
	}
	return w.App.InOrg(ctx, w.Org, func(tx pg.Tx) error {
		before, err := directory.Lock(ctx, tx, w.Org, connection)
		if err != nil {
			return err
		}
		after := before
		after.GroupRoles = []directory.GroupRole{{Group: "engineering", Role: role.Ref{Predefined: role.Developer}}}
		if err := directory.Save(ctx, tx, w.Org, after, w.Clock.Now()); err != nil {
			return err
		}
		return after.Follow(ctx, tx, w.Org, before)
	})
}
