package jobs_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"portico/shared/apikey"
	"portico/shared/jobs"
	"portico/shared/testkit"
)

// An invalid payload of bootstrap is refused with a sentence, and makes nothing.
func TestBootstrapRefuses(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	b := jobs.Bootstrap{DB: db.App, Keys: apikey.NewProjection(client, table, db.App, db.Clock), Clock: db.Clock}
	past, long := db.Clock.Now().Add(-time.Second).Format(time.RFC3339), strings.Repeat("x", 201)
	const known = "must be one of create_organization, create_staff_key, delete_organization, disable_staff, revoke_staff_key, set_staff"
	for payload, want := range map[string]string{
		`{`: "not JSON", `[]`: "not JSON", `{}`: known, `{"command":"make"}`: known, `{"command":1}`: known,
		`{"command":"create_organization"}`:                                                   `"name" must be`,
		`{"command":"create_organization","name":"` + long + `"}`:                             "1 to 200",
		`{"command":"create_organization","organization":"Acme"}`:                             `unknown field "organization"`,
		`{"command":"revoke_staff_key","staff_key_id":"key_1"}`:                               "staff_",
		`{"command":"revoke_staff_key","staff_key_id":"staff_01890000000000000000000000"}`:    "there is no staff key",
		`{"command":"create_staff_key","name":"Ada","expires_at":"` + past + `"}`:             "in the future",
		`{"command":"create_staff_key","name":"` + long + `"}`:                                "1 to 200",
		`{"command":"create_staff_key","name":"Ada","expires_at":"on the first day"}`:         "create_staff_key: ",
		`{"command":"create_staff_key","name":"Ada","permissions":[]}`:                        "at least one permission",
		`{"command":"create_staff_key","name":"Ada","permissions":["jobs:read","all"]}`:       `no permission "all"`,
		`{"command":"create_staff_key","name":"Ada","permissions":["jobs:read","jobs:read"]}`: "jobs:read twice",
		`{"command":"create_staff_key","name":"Ada","permissions":"jobs:read"}`:               "create_staff_key: ",
		`{"command":"delete_organization","organization_id":"acme"}`:                          `"organization_id"`,
	} {
		if _, err := b.Run(ctx, json.RawMessage(payload)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", payload, err, want)
		}
	}
	if n := testkit.Value[int](t, db, `SELECT (SELECT count(*) FROM staff_key) + (SELECT count(*) FROM organization)`); n != 1 {
		t.Errorf("%d keys and organizations, want only the platform", n)
	}
}

// Bootstrap makes staff keys and revokes them.
func TestBootstrapStaffKey(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	keys := apikey.NewProjection(client, table, db.App, db.Clock)
	b := jobs.Bootstrap{DB: db.App, Keys: keys, Clock: db.Clock}
	staff, err := b.CreateStaffKey(ctx, jobs.CreateStaffKey{Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := apikey.Parse(staff.StaffKey)
	if err != nil {
		t.Fatal(err)
	}
	if caller, _, err := keys.Caller(ctx, hash, apikey.Use{}); err != nil || caller.Actor.ID != staff.StaffKeyID {
		t.Errorf("the key's caller is %+v (%v)", caller, err)
	}
	if row := testkit.Value[string](t, db, `SELECT s::text FROM staff_key s`); strings.Contains(row, staff.StaffKey[4:34]) {
		t.Error("the row holds the plain text")
	}
	if _, err := b.RevokeStaffKey(ctx, jobs.RevokeStaffKey{StaffKeyID: staff.StaffKeyID}); err != nil {
		t.Error(err)
	}
	if _, _, err := keys.Caller(ctx, hash, apikey.Use{}); err == nil {
		t.Error("a revoked staff key works")
	}
}
