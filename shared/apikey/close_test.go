package apikey_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// denied counts the items of the table that are denied.
func (f *fixture) denied() (n int) {
	f.Helper()
	out, err := f.client.Scan(context.Background(), &dynamodb.ScanInput{TableName: &f.table})
	if err != nil {
		f.Fatal(err)
	}
	for _, item := range out.Items {
		if item["revoked_at"] != nil {
			n++
		}
	}
	return n
}

// Writing a key's projection waits while its organization is being closed, and
// then writes nothing. So no key works that the closing has not seen.
func TestClosedOrganizationsKeyIsNotProjected(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.insert()
		projected := make(chan error, 1)
		f.db.InOrg(f.T, f.org, func(ctx context.Context, tx pg.Tx) error {
			if _, err := tx.Exec(ctx, `UPDATE organization SET deleted_at = portico_now() WHERE id = $1`, f.org); err != nil {
				return err
			}
			go func() { projected <- f.projection.Repair(context.Background(), f.org, f.hash) }()
			testkit.Await(f.T, "the projection to wait for the closing", func() bool {
				return testkit.Value[bool](f.T, f.db, `
					SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity s USING (pid) WHERE NOT granted AND s.datname = current_database())`)
			})
			return nil
		})
		if err := <-projected; err != nil {
			f.Errorf("projecting: %v", err)
		}
		if item := f.item(); len(item) != 0 {
			f.Errorf("the item is %v", item)
		}
		f.elsewhere().fails("of a closed organization", f.hash)
	})
}

// Closing denies all keys that work, even if they fill many pages. It revokes all
// of them, and can be repeated.
func TestCloseDeniesEveryKey(t *testing.T) {
	eachStore(t, func(f *fixture) {
		f.insert()
		f.works("before")
		f.db.Exec(f.T, `
			INSERT INTO api_key (org_id, id, name, hash, permissions)
			SELECT org_id, gen_random_uuid(), 'one of many', sha256(n::text::bytea), permissions FROM api_key, generate_series(1, 250) n`)
		for range 2 {
			f.db.InOrg(f.T, f.org, func(ctx context.Context, tx pg.Tx) error {
				_, err := org.Close(ctx, tx, f.projection, f.org, f.clock.Now())
				return err
			})
		}
		f.fails("at once", f.hash)
		f.elsewhere().fails("in another environment", f.hash)
		if n := testkit.Value[int](f.T, f.db, `SELECT count(*) FROM api_key WHERE revoked_at IS NULL`); n != 0 {
			f.Errorf("%d keys are not revoked", n)
		}
		if n := f.denied(); n != 251 {
			f.Errorf("%d keys are denied, want 251", n)
		}
	})
}
