package id_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portico/shared/id"
	"portico/shared/testkit"
)

// Postgres stores an id as uuid, alone, in arrays and as NULL, and returns the
// same.
func TestPostgresRoundTrip(t *testing.T) {
	ctx, db := context.Background(), testkit.DB(t)
	some, other := id.New[id.Event](time.Now()), id.New[id.Event](time.Now())
	type row struct {
		One, Zero, Null id.Event
		Pointer         *id.Event
		List            []id.Event
		Kind, Text      string
		ZeroIsNull      bool
	}
	var got row
	err := db.Worker.QueryRow(ctx, `
		SELECT $1::uuid, $2::uuid, NULL::uuid, NULL::uuid, $3::uuid[], pg_typeof($1)::text, ($3::uuid[])[2]::text, $2 IS NULL`,
		some, id.Event{}, []id.Event{some, other, {}}).
		Scan(&got.One, &got.Zero, &got.Null, &got.Pointer, &got.List, &got.Kind, &got.Text, &got.ZeroIsNull)
	if err != nil {
		t.Fatal(err)
	}
	want := row{
		One: some, List: []id.Event{some, other, {}},
		Kind: "uuid", Text: other.UUID.String(), ZeroIsNull: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	got.One = some
	if err := db.Worker.QueryRow(ctx, `SELECT NULL::uuid`).Scan(&got.One); err != nil || !got.One.IsZero() {
		t.Errorf("NULL over an old value reads as %s, %v", got.One, err)
	}
}
