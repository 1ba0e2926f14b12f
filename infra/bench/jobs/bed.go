// Package jobs measures jobs and mail against their budgets, beside River on the same
// Postgres, and looks what becomes of them when runners are killed.
package jobs

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/infra/bench/budget"
	"portico/infra/bench/kinds"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/queue"
)

// Stack is the stack on which jobs are measured.
type Stack struct {
	AWSURL, DatabaseURL, Region string
	Env                         map[string]string // of the function jobs-high
	DB                          Administrator
	Socket                      string // of the bench's kinds
	Seed                        uint64
	Short                       bool

	Call            func(ctx context.Context, method, path string) ([]byte, error) // of the stack's own pages
	RestartPostgres func() error
	Kill            func(pid int) bool // ends a process of the stack with SIGKILL
	Progress        func(format string, args ...any)
}

// Administrator is an administrator's sessions.
type Administrator interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// bed is what measurements need.
type bed struct {
	Stack
	app    *pg.DB // as the functions of the API: its transactions tell the runners of jobs
	silent *pg.DB // tells nobody
	worker *pg.Worker
	wakers map[job.Queue]*claim.Waker
	sqs    *sqs.Client
	org    id.Org
	ran    *collector
	river  *river // nil: it could not be built
	budget.Table
}

// sessions is how many sessions the bench adds jobs with.
const sessions = 8

func newBed(ctx context.Context, s Stack) (b *bed, err error) {
	b = &bed{Stack: s, wakers: map[job.Queue]*claim.Waker{}, Table: budget.New(s.Progress)}
	for _, to := range []**pg.DB{&b.app, &b.silent} {
		if *to, err = pg.OpenFor(ctx, s.login("portico_app"), sessions); err != nil {
			return nil, err
		}
	}
	if b.worker, err = pg.OpenWorker(ctx, s.login("portico_worker"), 2); err != nil {
		return nil, err
	}
	cfg := aws.Config{Region: s.Region, BaseEndpoint: &s.AWSURL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
	b.sqs = sqs.NewFromConfig(cfg)
	now := clock.New(0)
	for q, url := range map[job.Queue]string{job.High: s.Env["HIGH_QUEUE_URL"], job.Bulk: s.Env["BULK_QUEUE_URL"]} {
		b.wakers[q] = &claim.Waker{
			Queue: string(q), Database: pg.Home, Due: claim.NewDue(dynamodb.NewFromConfig(cfg), s.Env["DUE_TABLE"], string(q), pg.Home, now),
			Nudge: queue.NewSender(b.sqs, url),
		}
		job.Announce(b.app, q, pg.Databases[*claim.Waker]{pg.Home: b.wakers[q]}, now, observe.NewLog(io.Discard, "bench"))
	}
	if b.org, err = b.newOrg(ctx); err != nil {
		return nil, err
	}
	if b.ran, err = listen(s.Socket); err != nil {
		return nil, err
	}
	registry, err := job.NewRegistry(kinds.All()...)
	if err != nil {
		return nil, err
	}
	return b, registry.EnsureThrottles(ctx, b.worker)
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

func (b *bed) newOrg(ctx context.Context) (id.Org, error) {
	org := id.New[id.Org](time.Now())
	_, err := b.DB.Exec(ctx, `INSERT INTO organization (id, name) VALUES ($1, 'Bench')`, org)
	return org, err
}

func (b *bed) close() {
	b.app.Close()
	b.silent.Close()
	b.worker.Close()
	b.ran.close()
	if b.river != nil {
		b.river.close()
	}
	_ = os.Remove(b.Socket)
}

// backlog adds n jobs of a kind and wakes nobody.
func (b *bed) backlog(ctx context.Context, kind job.Kind[kinds.Args], n int, args kinds.Args) error {
	const chunk = 2000
	for first := 0; first < n; first += chunk {
		list := make([]job.New[kinds.Args], min(chunk, n-first))
		for i := range list {
			list[i].Args = args
			list[i].Args.Number = first + i
		}
		err := b.silent.InOrg(ctx, b.org, func(tx pg.Tx) error {
			_, err := job.AddAll(ctx, tx, b.org, kind, list)
			return err
		})
		if err != nil {
			return err
		}
	}
	_, err := b.DB.Exec(ctx, `CHECKPOINT`)
	return err
}

// one adds a job in a transaction of its own and returns when it was committed.
func (b *bed) one(ctx context.Context, org id.Org, kind job.Kind[kinds.Args], number int) (time.Time, error) {
	err := b.app.InOrg(ctx, org, func(tx pg.Tx) error {
		_, err := job.Add(ctx, tx, org, kind, kinds.Args{Number: number}, job.Options{})
		return err
	})
	return time.Now(), err
}

// awaitDone waits until a queue has no jobs that wait or run.
func (b *bed) awaitDone(ctx context.Context, q job.Queue, atMost time.Duration) error {
	giveUp := time.Now().Add(atMost)
	for left := true; left; {
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
		if err := b.DB.QueryRow(ctx, `SELECT EXISTS (SELECT FROM job WHERE queue = $1 AND status = 'pending')`, q).Scan(&left); err != nil {
			return err
		}
		if left && time.Now().After(giveUp) {
			return fmt.Errorf("jobs of the queue %s are not done after %s", q, atMost)
		}
	}
	return nil
}

// awaitSleep waits until no runner has been awake for a second.
func (b *bed) awaitSleep(ctx context.Context) error {
	for looks := 0; looks < 5; looks++ {
		var awake bool
		if err := b.DB.QueryRow(ctx, `SELECT EXISTS (SELECT FROM dispatcher WHERE awake_until > portico_now())`).Scan(&awake); err != nil {
			return err
		}
		if awake {
			looks = -1
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
