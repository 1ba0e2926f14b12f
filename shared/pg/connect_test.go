package pg_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// A URL may give a paused database time to wake; otherwise it has ten seconds.
func TestConnectTimeout(t *testing.T) {
	for query, want := range map[string]time.Duration{"": 10 * time.Second, "?connect_timeout=25": 25 * time.Second} {
		config, err := pg.PoolConfig("postgres://a:b@127.0.0.1/portico"+query, 1)
		if err != nil || config.ConnConfig.ConnectTimeout != want {
			t.Errorf("%q: %v, %v", query, config.ConnConfig.ConnectTimeout, err)
		}
	}
}

// However long connecting takes, a request ends at its own deadline, so that it
// still gets an answer. A server that wakes up accepts the connection and does
// not answer yet.
func TestRequestDoesNotOutwaitASleepingDatabase(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	db, err := pg.Open(context.Background(), "postgres://portico_app:b@"+server.Addr().String()+"/portico?sslmode=disable&connect_timeout=25")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer server.Close() // first: it ends the connecting that Close waits for
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- db.InOrg(ctx, id.New[id.Org](time.Now()), func(tx pg.Tx) error {
			_, err := tx.Exec(ctx, `SELECT 1`)
			return err
		})
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the end of the request's time", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the request waits for the database")
	}
}
