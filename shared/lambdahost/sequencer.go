package lambdahost

import (
	"context"
	"time"

	"portico/shared/audit"
	"portico/shared/audit/archive"
	"portico/shared/audit/chain"
	"portico/shared/audit/stream"
	"portico/shared/claim"
	"portico/shared/job"
	"portico/shared/jobs"
	"portico/shared/pg"
)

const (
	// sequencerLease covers a pass: the sequencer starts none when less time is left.
	sequencerLease = 20 * time.Second
	// gather is the pause between passes. An entry waits for it at most once.
	gather = 100 * time.Millisecond
)

// sequencerEnv says how a sequencer is woken.
type sequencerEnv struct {
	Table string `env:"DUE_TABLE,required,notEmpty"`
	Queue string `env:"SEQUENCER_QUEUE_URL,required,notEmpty"`
}

func (h *host) sequencerWakers(e sequencerEnv, database databaseEnv) pg.Databases[*claim.Waker] {
	return h.wakersOf(audit.Unchained, e.Queue, wakeEnv{Table: e.Table}, database)
}

// announceEntries makes the transactions of db that write audit entries wake a
// sequencer.
func (h *host) announceEntries(db *pg.DB, database databaseEnv) {
	var e sequencerEnv
	exitOn(read(&e))
	chain.Announce(db, h.sequencerWakers(e, database), h.clock, h.log)
}

// Sequencer chains audit entries for each nudge.
func Sequencer() {
	ctx := context.Background()
	var (
		database databaseEnv
		own      sequencerEnv
		queues   jobQueuesEnv
	)
	h := begin(ctx, &database, &own, &queues)
	wakers, signals := h.sequencerWakers(own, database), &pg.DB{}
	wake := wakeEnv{Table: own.Table}
	h.announce(signals, queues, wake, database)                                                                // of the jobs that send the log
	bulk := h.wakersOf(string(job.Bulk), "", wake, database)                                                   // it only lowers their due times
	all, err := pg.Make(database.workers(ctx, 4), func(name string, db *pg.Worker) (*chain.Sequencer, error) { // claim, pass, renew, listen
		return &chain.Sequencer{
			Gather: gather, WakeStreams: stream.Wake, Signals: signals,
			Archive: archive.Starter{Database: name, Due: bulk[name].Due, Clock: h.clock, Log: h.log}.Begin,
			Dispatcher: claim.Dispatcher{
				DB: db, Waker: wakers[name], Clock: h.clock, Log: h.log, Lease: sequencerLease,
				// One lane uses half of the slots, so there is one pass at a time.
				Concurrency: 2, Share: 1, Idle: claim.IdleAtLeast,
			},
		}, nil
	})
	exitOn(err)
	consume(jobs.Dispatch(all), h.log)
}
