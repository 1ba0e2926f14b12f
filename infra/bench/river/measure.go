package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

const (
	workers = 500
	fetch   = 10 * time.Millisecond
)

// settings are printed with the results.
var settings = fmt.Sprintf("River v0.51.1, riverpgxv5, %d workers, FetchCooldown and FetchPollInterval %s, InsertManyFast, LISTEN, 10 sessions, completed jobs are kept", workers, fetch)

// nothing does nothing.
type nothing struct{}

func (nothing) Kind() string { return "nothing" }

// mark notes when it runs.
type mark struct {
	Number int `json:"n"`
}

func (mark) Kind() string { return "mark" }

// hog takes a while.
type hog struct {
	Takes time.Duration `json:"takes"`
}

func (hog) Kind() string { return "hog" }

// times are when marks were committed and when they ran.
type times struct {
	mu             sync.Mutex
	committed, ran map[int]time.Time
}

func (t *times) put(list map[int]time.Time, n int) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, twice := list[n]; !twice {
		list[n] = now
	}
}

func (t *times) latencies() (all []time.Duration, left int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n, at := range t.committed {
		if ran, ok := t.ran[n]; ok {
			all = append(all, ran.Sub(at))
		} else {
			left++
		}
	}
	return all, left
}

// whenAllRan gives the latencies once every committed mark has run, at the latest
// after so long.
func (t *times) whenAllRan(atMost time.Duration) (all []time.Duration, left int) {
	late := time.After(atMost)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		if all, left = t.latencies(); left == 0 {
			return all, left
		}
		select {
		case <-look.C:
		case <-late:
			return all, left
		}
	}
}

func measure(ctx context.Context, pool *pgxpool.Pool, q request) (reply, error) {
	t := &times{committed: map[int]time.Time{}, ran: map[int]time.Time{}}
	client, err := newClient(pool, t)
	if err != nil {
		return reply{}, err
	}
	if _, err := pool.Exec(ctx, `DELETE FROM river_job WHERE state <> 'completed'`); err != nil {
		return reply{}, err
	}
	switch q.Do {
	case "drain":
		return drain(ctx, pool, client, q)
	case "pickup", "neighbours":
		return pickup(ctx, pool, client, t, q)
	}
	return reply{}, fmt.Errorf("there is no measurement %q", q.Do)
}

func newClient(pool *pgxpool.Pool, t *times) (*river.Client[pgx.Tx], error) {
	kinds := river.NewWorkers()
	river.AddWorker(kinds, river.WorkFunc(func(context.Context, *river.Job[nothing]) error { return nil }))
	river.AddWorker(kinds, river.WorkFunc(func(_ context.Context, j *river.Job[mark]) error {
		t.put(t.ran, j.Args.Number)
		return nil
	}))
	river.AddWorker(kinds, river.WorkFunc(func(ctx context.Context, j *river.Job[hog]) error {
		select {
		case <-ctx.Done():
		case <-time.After(j.Args.Takes):
		}
		return ctx.Err()
	}))
	return river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}, Workers: kinds,
		FetchCooldown: fetch, FetchPollInterval: fetch, CompletedJobRetentionPeriod: -1,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// drain measures how long a client takes for a backlog, from its start until the last
// job is completed in the database.
func drain(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], q request) (reply, error) {
	if err := insertMany(ctx, client, q.Jobs, nothing{}); err != nil {
		return reply{}, err
	}
	if _, err := pool.Exec(ctx, `CHECKPOINT`); err != nil {
		return reply{}, err
	}
	began := time.Now()
	if err := client.Start(ctx); err != nil {
		return reply{}, err
	}
	err := await(ctx, pool, `SELECT NOT EXISTS (SELECT FROM river_job WHERE state IN ('available', 'running'))`)
	took := time.Since(began)
	if err != nil {
		return reply{}, err
	}
	return reply{Took: took}, client.Stop(ctx)
}

// await asks every 5 ms until the answer of query is true.
func await(ctx context.Context, pool *pgxpool.Pool, query string) error {
	ask := time.NewTicker(5 * time.Millisecond)
	defer ask.Stop()
	for {
		var holds bool
		if err := pool.QueryRow(ctx, query).Scan(&holds); err != nil || holds {
			return err
		}
		select {
		case <-ask.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func insertMany(ctx context.Context, client *river.Client[pgx.Tx], n int, args river.JobArgs) error {
	const chunk = 5000
	list := make([]river.InsertManyParams, chunk)
	for i := range list {
		list[i].Args = args
	}
	for done := 0; done < n; done += chunk {
		if _, err := client.InsertManyFast(ctx, list[:min(chunk, n-done)]); err != nil {
			return err
		}
	}
	return nil
}

// pickup adds jobs at a rate, each in a transaction of its own, and measures the time
// from the commit until the handler runs. If q.Jobs is set, so many others wait
// already, each of which takes q.Takes.
func pickup(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], t *times, q request) (reply, error) {
	if err := insertMany(ctx, client, q.Jobs, hog{q.Takes}); err != nil {
		return reply{}, err
	}
	if err := client.Start(ctx); err != nil {
		return reply{}, err
	}
	if err := await(ctx, pool, `SELECT EXISTS (SELECT FROM river_leader WHERE expires_at > now())
		AND EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN %')`); err != nil {
		return reply{}, err
	}
	every := time.Second / time.Duration(q.Rate)
	var adding sync.WaitGroup
	var failed error
	var once sync.Once
	began := time.Now()
	for i := 0; time.Duration(i)*every < q.Warmup+q.Last; i++ {
		if err := until(ctx, began.Add(time.Duration(i)*every)); err != nil {
			adding.Wait()
			return reply{}, err
		}
		counts := time.Duration(i)*every >= q.Warmup
		adding.Go(func() {
			if err := addMark(ctx, pool, client, t, i, counts); err != nil {
				once.Do(func() { failed = err })
			}
		})
	}
	adding.Wait()
	latencies, left := t.whenAllRan(time.Second)
	stopping, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_ = client.StopAndCancel(stopping) // jobs that wait are deleted before the next measurement
	return reply{Latencies: latencies, Left: left}, failed
}

// until waits for a moment, or returns the context's error if it ends before.
func until(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func addMark(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], t *times, n int, counts bool) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // it has no effect after the commit
	if _, err := client.InsertTx(ctx, tx, mark{n}, nil); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	if counts {
		t.put(t.committed, n)
	}
	return nil
}
