package lambdahost

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/claim"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/queue"
	"portico/shared/webhook"
)

// Wakers returns the waker of each database.
func (h *Host) Wakers(e WakeEnv, database DatabaseEnv) pg.Databases[*claim.Waker] {
	return h.WakersOf(webhook.Queue, e.Queue, e, database)
}

// WakersOf returns the wakers of a queue, to whose function url leads.
func (h *Host) WakersOf(name, url string, e WakeEnv, database DatabaseEnv) pg.Databases[*claim.Waker] {
	urls, err := database.URLs()
	ExitOn(err)
	table, nudge := dynamodb.NewFromConfig(h.AWS), queue.NewSender(sqs.NewFromConfig(h.AWS), url)
	wakers, err := pg.Make(urls, func(database, _ string) (*claim.Waker, error) {
		return &claim.Waker{Queue: name, Database: database, Due: claim.NewDue(table, e.Table, name, database, h.Clock), Nudge: nudge}, nil
	})
	ExitOn(err)
	return wakers
}

// URL returns where a queue is.
func (e JobQueuesEnv) URL(q job.Queue) string {
	return map[job.Queue]string{job.High: e.High, job.Bulk: e.Bulk, job.Billing: e.Billing}[q]
}

// Announce makes the transactions of db wake runners for the jobs that they add. It
// returns the wakers of each queue.
func (h *Host) Announce(db *pg.DB, queues JobQueuesEnv, wake WakeEnv, database DatabaseEnv) map[job.Queue]pg.Databases[*claim.Waker] {
	all := map[job.Queue]pg.Databases[*claim.Waker]{}
	for _, q := range job.Queues {
		all[q] = h.WakersOf(string(q), queues.URL(q), wake, database)
		job.Announce(db, q, all[q], h.Clock, h.Log)
	}
	return all
}

// SequencerEnv says how a sequencer is woken.
type SequencerEnv struct {
	Table string `env:"DUE_TABLE,required,notEmpty"`
	Queue string `env:"SEQUENCER_QUEUE_URL,required,notEmpty"`
}

// SequencerWakers returns the waker of the sequencer of each database.
func (h *Host) SequencerWakers(e SequencerEnv, database DatabaseEnv) pg.Databases[*claim.Waker] {
	return h.WakersOf(audit.Unchained, e.Queue, WakeEnv{Table: e.Table}, database)
}

// AnnounceEntries makes the transactions of db that write audit entries wake a
// sequencer.
func (h *Host) AnnounceEntries(db *pg.DB, database DatabaseEnv) {
	var e SequencerEnv
	ExitOn(Read(&e))
	chain.Announce(db, h.SequencerWakers(e, database), h.Clock, h.Log)
}
