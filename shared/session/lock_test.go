package session_test

import (
	"errors"
	"sync"
	"testing"

	"portico/shared/id"
	"portico/shared/session"
	"portico/shared/testkit"
)

// Of thirty sign-ins that run while all sessions are revoked none leaves a session: each
// writes its session under the lock of the person's row in Postgres, after it has seen
// that the person's credentials are those that were proved.
func TestRevokeAllAgainstSignIns(t *testing.T) {
	t.Parallel()
	b, db := newBed(t, testkit.DynamoDBEndpoint(t)), testkit.DB(t)
	db.Exec(t, `CREATE TABLE person (version int)`)
	db.Exec(t, `INSERT INTO person VALUES (1)`)
	db.Exec(t, `GRANT ALL ON person TO portico_master`)
	// The fifth session is on its way to DynamoDB until the revocation waits for the lock, or
	// has not been made to wait.
	revoked, begun := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	puts := 0
	slow := b.over(testkit.DynamoDBThrough(t, b.endpoint, func(call, _ string) bool {
		if call != "PutItem" {
			return false
		}
		mu.Lock()
		puts++
		held := puts == 5
		mu.Unlock()
		if held {
			close(begun)
			testkit.Await(t, "the revocation", func() bool {
				select {
				case <-revoked:
					return true
				default:
					return testkit.Value[bool](t, db, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
						AND wait_event_type = 'Lock' AND query LIKE 'UPDATE person%')`)
				}
			})
		}
		return false
	}))
	underLock := func(lock string, then func(version int) error) error {
		ctx, conn := t.Context(), db.Session(t, "portico_master")
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(ctx) }()
		var version int
		if err := tx.QueryRow(ctx, lock).Scan(&version); err != nil {
			return err
		}
		return errors.Join(then(version), tx.Commit(ctx))
	}
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			err := underLock(`SELECT version FROM person FOR UPDATE`, func(version int) error {
				if version != 1 {
					return nil
				}
				_, _, err := slow.Start(t.Context(), b.begun(), life)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	testkit.Await(t, "the fifth session", func() bool {
		select {
		case <-begun:
			return true
		default:
			return false
		}
	})
	err := underLock(`UPDATE person SET version = 2 RETURNING version`, func(int) error {
		return b.store().RevokeAll(t.Context(), b.user, id.Session{}, session.Revoked)
	})
	close(revoked)
	all.Wait()
	testkit.Must(t, err)
	list, err := b.store().List(t.Context(), b.user)
	if testkit.Must(t, err); len(list) != 0 {
		t.Errorf("%d sessions are left", len(list))
	}
	if puts < 5 {
		t.Errorf("only %d sessions were started", puts)
	}
}
