package jobs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"portico/infra/bench/kinds"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail/template"
	"portico/shared/pg"
)

// soaking is a running soak.
type soaking struct {
	*post
	random *rand.Rand // for the disturbances only, so that a seed repeats their times

	mu        sync.Mutex
	accepted  map[string][]id.Job // by kind: the transaction has committed
	mails     map[id.Mail]bool
	uncertain int // transactions that failed, so that nobody knows whether they have committed
	killed    int
	down      time.Duration // of Postgres
	problems  []string
}

// soaked is what the soak adds in a second.
var soaked = []struct {
	kind      job.Kind[kinds.Args]
	perSecond int
	args      kinds.Args
}{
	{kinds.Count, 40, kinds.Args{Fails: 0.05}},
	{kinds.Called, 20, kinds.Args{Fails: 0.05}},
	{kinds.Stepped, 5, kinds.Args{Fails: 0.02, Wanted: stepsWanted}},
	{kinds.Doomed, 1, kinds.Args{}},
}

const (
	stepsWanted    = 5
	mailsPerSecond = 10
)

// Soak adds jobs and mails for ten minutes while runners are killed, Postgres crashes
// once and SES loses answers. Then it accounts for every job and mail; any difference
// is an error.
func Soak(ses *SES) func(context.Context, Stack) error {
	return func(ctx context.Context, s Stack) error {
		b, err := newBed(ctx, s)
		if err != nil {
			return err
		}
		defer b.close()
		p, err := newPost(ctx, b, ses)
		if err != nil {
			return err
		}
		if _, err := b.DB.Exec(ctx, kinds.Effects); err != nil {
			return err
		}
		last := 10 * time.Minute
		if b.Short {
			last = 2 * time.Minute
		}
		fmt.Printf("soak of jobs and mail: seed %d, adding for %s …\n", b.Seed, last)
		k := &soaking{post: p, random: rand.New(rand.NewPCG(b.Seed, 0)), accepted: map[string][]id.Job{}, mails: map[id.Mail]bool{}}
		ses.behave(manner{Lost: 0.01, Throttled: 0.01}, rand.New(rand.NewPCG(b.Seed, 1)))
		return k.run(ctx, last)
	}
}

func (k *soaking) run(ctx context.Context, last time.Duration) error {
	began := time.Now()
	var disturbed error
	var disturbing sync.WaitGroup
	disturbing.Go(func() { disturbed = k.disturb(ctx, began.Add(last)) })
	if err := k.addFor(ctx, last); err != nil {
		return err
	}
	disturbing.Wait()
	if disturbed != nil {
		return disturbed
	}
	k.ses.behave(manner{}, nil)
	k.Progress("nothing is added or killed any more; waiting for the last jobs …")
	if err := k.awaitEnd(ctx); err != nil {
		return err
	}
	return k.account(ctx, time.Since(began))
}

// addFor adds jobs and mails at fixed times, whatever becomes of them.
func (k *soaking) addFor(ctx context.Context, last time.Duration) error {
	var adding sync.WaitGroup
	began, number := time.Now(), 0
	const ticks = 20 // in a second
	for tick := 0; time.Since(began) < last; tick++ {
		if err := sleep(ctx, time.Until(began.Add(time.Duration(tick)*time.Second/ticks))); err != nil {
			return err
		}
		for _, s := range soaked {
			for range due(tick, s.perSecond, ticks) {
				number++
				args := s.args
				args.Number = number
				adding.Go(func() { k.addJob(ctx, s.kind, args) })
			}
		}
		for range due(tick, mailsPerSecond, ticks) {
			number++
			adding.Go(func() { k.addMail(ctx, number) })
		}
		if tick%(60*ticks) == 0 {
			k.Progress("  %d jobs and mails after %s", number, time.Since(began).Round(time.Second))
		}
	}
	adding.Wait()
	return nil
}

// due is how many of so many a second belong to a tick.
func due(tick, perSecond, ticks int) int { return (tick+1)*perSecond/ticks - tick*perSecond/ticks }

func (k *soaking) addJob(ctx context.Context, kind job.Kind[kinds.Args], args kinds.Args) {
	var added id.Job
	err := k.app.InOrg(ctx, k.org, func(tx pg.Tx) (err error) {
		added, err = job.Add(ctx, tx, k.org, kind, args, job.Options{})
		return err
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.uncertain++
		return
	}
	k.accepted[kind.Name] = append(k.accepted[kind.Name], added)
}

func (k *soaking) addMail(ctx context.Context, number int) {
	ids, err := k.send(ctx, k.app, content(template.Product), number, 1)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.uncertain++
		return
	}
	k.mails[ids[0]] = true
}

// disturb kills a process that does jobs every 5 to 15 s, and lets Postgres crash once.
func (k *soaking) disturb(ctx context.Context, end time.Time) error {
	crashAt, crashed := time.Now().Add(time.Until(end)/2), false
	for time.Now().Before(end) {
		if err := sleep(ctx, 5*time.Second+time.Duration(k.random.IntN(10_000))*time.Millisecond); err != nil {
			return err
		}
		if !crashed && time.Now().After(crashAt) {
			began := time.Now()
			if err := k.RestartPostgres(); err != nil {
				return err
			}
			crashed, k.down = true, time.Since(began)
			k.Progress("  Postgres was down for %s", k.down.Round(time.Millisecond))
		}
		function := []string{"portico-jobs-high", "portico-jobs-bulk"}[k.random.IntN(2)]
		pids, err := k.pids(ctx, function)
		if err != nil {
			return err
		}
		if len(pids) > 0 && k.Kill(pids[k.random.IntN(len(pids))]) {
			k.killed++
		}
	}
	return nil
}

// awaitEnd waits until no job waits or runs. A mail whose answer was lost waits two
// minutes; a job that was handed over to a process that is killed at that moment waits
// up to 15 min.
func (k *soaking) awaitEnd(ctx context.Context) error {
	const patience = 17 * time.Minute
	for giveUp := time.Now().Add(patience); ; {
		var left int
		if err := k.DB.QueryRow(ctx, `SELECT count(*)::int FROM job WHERE status <> 'dead'`).Scan(&left); err != nil {
			return err
		}
		switch {
		case left == 0:
			return nil
		case time.Now().After(giveUp):
			return fmt.Errorf("%d jobs are neither finished nor dead after %s", left, patience)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}
