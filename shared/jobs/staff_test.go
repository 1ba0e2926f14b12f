package jobs_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"portico/shared/apikey"
	"portico/shared/jobs"
	"portico/shared/testkit"
)

// The bootstrap function makes staff keys and revokes them; a payload that it
// cannot follow is refused with a sentence, and makes nothing.
func TestBeginStaffKey(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	keys := apikey.NewProjection(client, table, db.App, db.Clock)
	begin := func(payload string) (any, error) {
		return jobs.Begin(ctx, db.App, keys, nil, db.Clock, json.RawMessage(payload))
	}
	past := db.Clock.Now().Add(-time.Second).Format(time.RFC3339)
	for payload, want := range map[string]string{
		`{`: "not JSON", `{}`: "its name", `{"revoke_staff_key":"key_1"}`: "staff_",
		`{"revoke_staff_key":"staff_01890000000000000000000000"}`:  "there is no staff key",
		`{"staff_key_name":"Ada","expires_at":"` + past + `"}`:     "in the future",
		`{"staff_key_name":"` + strings.Repeat("x", 201) + `"}`:    "200 characters",
		`{"staff_key_name":"Ada","expires_at":"on the first day"}`: "not JSON",
	} {
		if _, err := begin(payload); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", payload, err, want)
		}
	}
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM staff_key`); n != 0 {
		t.Errorf("%d staff keys", n)
	}
	made, err := begin(`{"staff_key_name":"Ada"}`)
	if err != nil {
		t.Fatal(err)
	}
	staff := made.(jobs.StaffKeyMade)
	hash, err := apikey.Parse(staff.StaffKey)
	if err != nil {
		t.Fatal(err)
	}
	if caller, err := keys.Caller(ctx, hash, netip.Addr{}); err != nil || caller.StaffKey.String() != staff.StaffKeyID {
		t.Errorf("the key's caller is %+v (%v)", caller, err)
	}
	if row := testkit.Value[string](t, db, `SELECT s::text FROM staff_key s`); strings.Contains(row, staff.StaffKey[4:34]) {
		t.Error("the row holds the plain text")
	}
	if made, err = begin(`{"revoke_staff_key":"` + staff.StaffKeyID + `"}`); err != nil || made.(jobs.StaffKeyMade).StaffKey != "" {
		t.Errorf("revoked: %+v, %v", made, err)
	}
	if _, err := keys.Caller(ctx, hash, netip.Addr{}); err == nil {
		t.Error("a revoked staff key works")
	}
}
