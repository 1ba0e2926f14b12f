// Package audit measures what the audit log costs: an entry, its place in the chain,
// and the list among millions.
package audit

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/infra/bench/budget"
	"portico/infra/bench/cost"
	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// Stack is the stack on which the audit log is measured.
type Stack struct {
	DatabaseURL string
	DB          Administrator
	Meter       *cost.Meter
	Short       bool
	Plans       string // file for the plans of the lists; "": none

	// NewOrg makes an organization and returns its id and an API key.
	NewOrg func(ctx context.Context, name string) (org, key string, err error)
	// Call sends a request with an API key.
	Call     func(ctx context.Context, key, method, path string, body []byte) (int, []byte, error)
	Progress func(format string, args ...any)
}

// Administrator is an administrator's sessions.
type Administrator interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// bed is what the measurements need.
type bed struct {
	Stack
	budget.Table
	app    *pg.DB
	worker *pg.Worker
	org    id.Org
	key    string
	one    cost.Work // of an entry: written and chained
	size   float64   // of an entry with all indexes, in bytes
}

// sessions is how many sessions write entries.
const sessions = 8

// Run measures the audit log and prints a table.
func Run(ctx context.Context, s Stack) error {
	b, err := newBed(ctx, s)
	if err != nil {
		return err
	}
	defer b.app.Close()
	defer b.worker.Close()
	for _, measure := range []func(context.Context) error{b.measureEntry, b.measureChain, b.addPrice, b.measureRequests, b.measureStream, b.measureExport, b.measureLists} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	b.Print(os.Stdout, "The audit log")
	return nil
}

func newBed(ctx context.Context, s Stack) (*bed, error) {
	b := &bed{Stack: s, Table: budget.New(s.Progress)}
	org, key, err := s.NewOrg(ctx, "Audited")
	if err != nil {
		return nil, err
	}
	b.key = key
	if b.org, err = id.Parse[id.Org](org); err != nil {
		return nil, err
	}
	if b.app, err = pg.OpenFor(ctx, s.login("portico_app"), sessions); err != nil {
		return nil, err
	}
	b.worker, err = pg.OpenWorker(ctx, s.login("portico_worker"), 2)
	return b, err
}

// login is the stack's database as one of its roles. Any password works, because the
// stack's own server trusts this machine.
func (s Stack) login(role string) string {
	u, err := url.Parse(s.DatabaseURL)
	if err != nil {
		return s.DatabaseURL // whoever opens it says what is wrong
	}
	u.User = url.UserPassword(role, "trusted")
	return u.String()
}

// entry is one with as much in it as the update of an endpoint usually has.
func entry(number int) audit.Entry {
	return audit.Entry{
		Action: "webhook_endpoint.update", Actor: audit.Actor{Type: audit.System, ID: "bench", Name: "Ada Lovelace"},
		Targets:   []audit.Target{{Type: "webhook_endpoint", ID: fmt.Sprintf("ep_%d", number%1000)}},
		Before:    audit.Fields{"url": "https://example.com/hooks/portico", "description": "orders"},
		After:     audit.Fields{"url": "https://example.com/hooks/orders", "description": fmt.Sprintf("orders %d", number)},
		Origin:    audit.Origin{RequestID: fmt.Sprintf("request-%d", number), UserAgent: "curl/8.14.1"},
		CreatedAt: time.Now(),
	}
}

// call sends a request that must succeed.
func (b *bed) call(ctx context.Context, method, path, body string) error {
	status, reply, err := b.Call(ctx, b.key, method, path, []byte(body))
	if err == nil && status >= 300 {
		err = fmt.Errorf("%s %s: %d %s", method, path, status, reply)
	}
	return err
}
