package apikey_test

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

func (f *fixture) itemKey() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"hash": &types.AttributeValueMemberS{Value: hex.EncodeToString(f.hash[:])}}
}

// item returns the key's item as it is stored.
func (f *fixture) item() map[string]types.AttributeValue {
	f.Helper()
	out, err := f.client.GetItem(context.Background(), &dynamodb.GetItemInput{TableName: &f.table, Key: f.itemKey()})
	if err != nil {
		f.Fatal(err)
	}
	return out.Item
}

// Insert writes the row of a key: with its hash, never with its plain text.
func TestInsert(t *testing.T) {
	ctx, db := context.Background(), testkit.DB(t)
	org, now := db.NewOrg(t), db.Clock.Now()
	end := now.Add(time.Hour)
	want := apikey.APIKey{
		ID: id.New[id.APIKey](now), Name: "first", Permissions: []auth.Permission{auth.EventsWrite}, CreatedAt: now, ExpiresAt: &end,
	}
	plain := apikey.Generate()
	hash, err := apikey.Parse(plain)
	testkit.Must(t, err)
	db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error { return apikey.Insert(ctx, tx, org, want, hash) })
	var got apikey.APIKey
	var gotHash []byte
	err = db.Admin.QueryRow(ctx, `SELECT id, name, permissions, created_at, expires_at, hash FROM api_key WHERE org_id = $1`, org).
		Scan(&got.ID, &got.Name, &got.Permissions, &got.CreatedAt, &got.ExpiresAt, &gotHash)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || apikey.Hash(gotHash) != hash {
		t.Errorf("hash %x, -want +got:\n%s", gotHash, diff)
	}
	if row := testkit.Value[string](t, db, `SELECT k::text FROM api_key k`); strings.Contains(row, plain[4:34]) {
		t.Error("the row holds the plain text")
	}
}
