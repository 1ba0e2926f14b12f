package lambdahost

import (
	"context"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"portico/shared/api/edge"
	"portico/shared/audit/streaming"
	"portico/shared/bucket"
	"portico/shared/claim"
	"portico/shared/dynamo"
	"portico/shared/egress"
	"portico/shared/job"
	"portico/shared/job/schedule"
	"portico/shared/jobs"
	"portico/shared/mail"
	"portico/shared/mail/feedback"
	"portico/shared/mail/override"
	"portico/shared/pg"
	"portico/shared/queue"
	"portico/shared/webhook"
)

const (
	// jobSessions is how many jobs of an invocation have a transaction of an
	// organization at a time: docs/operating.md adds up the sessions of all functions.
	jobSessions = 4
	// jobsBatch is how many jobs one statement claims or records at most. Recording
	// waits for the disk, so a busy runner is faster with large batches.
	jobsBatch = 500
	// jobsIdle is how long it stays awake without work.
	jobsIdle = 5 * time.Second
)

// jobEnv is what a function needs that knows the kinds of jobs.
type jobEnv struct {
	database databaseEnv
	wake     wakeEnv
	keys     keysEnv
	domains  domainEnv
	limits   limitTableEnv
	queues   jobQueuesEnv

	sequencer sequencerEnv
	archive   archiveEnv
	outward   egressEnv
	vendors   vendorEnv
	exports   exportEnv
}

func (h *host) readJobs(e *jobEnv) {
	exitOn(read(&e.database, &e.wake, &e.keys, &e.domains, &e.limits, &e.queues, &e.sequencer, &e.archive, &e.outward, &e.vendors, &e.exports))
}

func (e jobQueuesEnv) url(q job.Queue) string {
	return map[job.Queue]string{job.High: e.High, job.Bulk: e.Bulk, job.Billing: e.Billing}[q]
}

// announce makes the transactions of db wake runners for the jobs that they add. It
// returns the wakers of each queue.
func (h *host) announce(db *pg.DB, queues jobQueuesEnv, wake wakeEnv, database databaseEnv) map[job.Queue]pg.Databases[*claim.Waker] {
	all := map[job.Queue]pg.Databases[*claim.Waker]{}
	for _, q := range job.Queues {
		all[q] = h.wakersOf(string(q), queues.url(q), wake, database)
		job.Announce(db, q, all[q], h.clock, h.log)
	}
	return all
}

// work is what does the jobs of one queue in all databases.
type work struct {
	runners pg.Databases[*job.Runner]
	wakers  pg.Databases[*claim.Waker]
}

// works returns what does the jobs of each queue; sender sends the mails, and also are
// further kinds.
func (h *host) works(ctx context.Context, e *jobEnv, workers pg.Databases[*pg.Worker], sender *mail.Sender, also []job.Declared) map[job.Queue]work {
	db, err := e.database.openWith(ctx, func(ctx context.Context, url string) (*pg.DB, error) { return pg.OpenFor(ctx, url, jobSessions) })
	exitOn(err)
	h.announceEntries(db, e.database)
	deleter, deliveries := h.deleter(db, e.keys, e.domains, e.limits), h.wakers(e.wake, e.database)
	webhook.Announce(db, deliveries, h.clock, h.log)
	sender.DB, sender.Log = db, h.log
	sender.Suppressed = feedback.TellSuppressed(deliveries, h.clock)
	if sender.Templates != nil {
		sender.Overrides = &override.Published{Home: db.Shared(), Set: sender.Templates, Clock: h.clock}
	}
	archiver := h.archiver(db, e.archive)
	policy, err := egress.ParsePolicy(e.outward.Allow)
	exitOn(err)
	streams := streaming.New(policy, h.clock, streaming.Vendors{Datadog: e.vendors.Datadog}, h.aws)
	all := map[job.Queue]work{}
	for q, wakers := range h.announce(deleter.DB, e.queues, e.wake, e.database) {
		handOver := queue.NewSender(sqs.NewFromConfig(h.aws), e.queues.url(q))
		runners, err := pg.Make(workers, func(name string, db *pg.Worker) (*job.Runner, error) {
			own := jobs.Kinds{
				Deleter: deleter, Due: deliveries[name].Due, Clock: h.clock, Log: h.log, Box: sender.Box, Database: name, Archiver: archiver,
				Streams: streams, Exports: bucket.New(h.aws, e.exports.Bucket), ExportURL: exportURL(sender.Public),
			}
			kinds, err := registry(own, sender, also...)
			return &job.Runner{
				DB: deleter.DB, Worker: db, Database: name, Queue: q, Kinds: kinds, Clock: h.clock, Log: h.log,
				HandOver: handOver.Send, Fire: fire(db, q),
			}, err
		})
		exitOn(err)
		all[q] = work{runners, wakers}
	}
	return all
}

// registry has every kind of job, those of mail among them.
func registry(own jobs.Kinds, sender *mail.Sender, also ...job.Declared) (*job.Registry, error) {
	return job.NewRegistry(slices.Concat(own.All(), sender.Kinds(), also)...)
}

func fire(db *pg.Worker, q job.Queue) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := schedule.Fire(ctx, db, q)
		return err
	}
}

// deployments returns what deploys the schedules of each database.
func (h *host) deployments(e *jobEnv, workers pg.Databases[*pg.Worker]) pg.Databases[*jobs.Deployment] {
	table := dynamo.NewTable(dynamodb.NewFromConfig(h.aws), e.wake.Table, "id")
	var m mailEnv
	exitOn(read(&m))
	schedules := jobs.Schedules
	if m.throughSES() {
		schedules = slices.Concat(schedules, jobs.SESSchedules)
	}
	all, err := pg.Make(workers, func(name string, db *pg.Worker) (*jobs.Deployment, error) {
		d := &jobs.Deployment{
			DB: db, Database: name, Schedules: schedules, Release: release(), Table: table, Dues: map[job.Queue]*claim.Due{}, Clock: h.clock,
		}
		if name != pg.Home {
			d.Home = workers[pg.Home]
		}
		return d, nil
	})
	exitOn(err)
	return all
}

// release is the number of the function's version, which Lambda counts up and never
// uses again. It is 0 on a laptop.
func release() int64 {
	n, err := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_VERSION"), 10, 64)
	if err != nil {
		return 0 // $LATEST
	}
	return n
}

// Jobs does the jobs of a queue for each nudge, and those that are handed over. The
// bench adds kinds of its own.
func Jobs(q job.Queue, also ...job.Declared) {
	ctx := context.Background()
	var (
		e      jobEnv
		runner runnerEnv
	)
	h := begin(ctx, &runner)
	h.readJobs(&e)
	own := h.works(ctx, &e, e.database.workers(ctx, 4), h.mailSender(ctx, q), also)[q] // claim, record, renew, listen
	all, err := pg.Make(own.runners, func(name string, r *job.Runner) (*jobs.Runner, error) {
		return &jobs.Runner{Jobs: r, Dispatcher: claim.Dispatcher{
			DB: r.Worker, Waker: own.wakers[name], Clock: h.clock, Log: h.log, Lease: job.LeaseFor, Batch: jobsBatch,
			Concurrency: runner.Concurrency, Idle: jobsIdle,
		}}, nil
	})
	exitOn(err)
	consume(jobs.RunJobs(all), h.log)
}

// JobsAPI is API for operations on jobs: it knows their kinds, without what does them.
func JobsAPI(operations ...edge.Operation) {
	kinds, err := registry(jobs.Kinds{}, &mail.Sender{})
	exitOn(err)
	serve(special{kinds: kinds}, operations)
}
