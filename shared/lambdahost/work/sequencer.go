package work

import (
	"context"
	"time"

	"portico/shared/audit/archive"
	"portico/shared/audit/chain"
	"portico/shared/audit/stream"
	"portico/shared/claim"
	"portico/shared/job"
	"portico/shared/jobs"
	"portico/shared/lambdahost"
	"portico/shared/pg"
)

const (
	// sequencerLease covers a pass: the sequencer starts none when less time is left.
	sequencerLease = 20 * time.Second
	// gather is the pause between passes. An entry waits for it at most once.
	gather = 100 * time.Millisecond
)

// Sequencer chains audit entries for each nudge.
func Sequencer() {
	ctx := context.Background()
	var (
		database lambdahost.DatabaseEnv
		own      lambdahost.SequencerEnv
		queues   lambdahost.JobQueuesEnv
	)
	h := begin(ctx, &database, &own, &queues)
	wakers, signals := h.SequencerWakers(own, database), &pg.DB{}
	wake := lambdahost.WakeEnv{Table: own.Table}
	h.Announce(signals, queues, wake, database)                                                                // of the jobs that send the log
	bulk := h.WakersOf(string(job.Bulk), "", wake, database)                                                   // it only lowers their due times
	all, err := pg.Make(database.Workers(ctx, 4), func(name string, db *pg.Worker) (*chain.Sequencer, error) { // claim, pass, renew, listen
		return &chain.Sequencer{
			Gather: gather, WakeStreams: stream.Wake, Signals: signals,
			Archive: archive.Starter{Database: name, Due: bulk[name].Due, Clock: h.Clock, Log: h.Log}.Begin,
			Dispatcher: claim.Dispatcher{
				DB: db, Waker: wakers[name], Clock: h.Clock, Log: h.Log, Lease: sequencerLease,
				// One lane uses half of the slots, so there is one pass at a time.
				Concurrency: 2, Share: 1, Idle: claim.IdleAtLeast,
			},
		}, nil
	})
	lambdahost.ExitOn(err)
	lambdahost.Consume(jobs.Dispatch(all), h.Log)
}
