package work

import (
	"context"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"portico/shared/audit/streaming"
	"portico/shared/bucket"
	"portico/shared/claim"
	"portico/shared/dynamo"
	"portico/shared/egress"
	"portico/shared/job"
	"portico/shared/job/schedule"
	"portico/shared/jobs"
	"portico/shared/lambdahost"
	"portico/shared/mail"
	"portico/shared/mail/feedback"
	"portico/shared/mail/override"
	"portico/shared/pg"
	"portico/shared/provider/document"
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
	database lambdahost.DatabaseEnv
	wake     lambdahost.WakeEnv
	keys     lambdahost.KeysEnv
	domains  lambdahost.DomainEnv
	limits   lambdahost.LimitTableEnv
	queues   lambdahost.JobQueuesEnv

	sequencer lambdahost.SequencerEnv
	archive   archiveEnv
	outward   lambdahost.EgressEnv
	vendors   vendorEnv
	exports   lambdahost.ExportEnv
}

func (h *host) readJobs(e *jobEnv) {
	lambdahost.ExitOn(lambdahost.Read(&e.database, &e.wake, &e.keys, &e.domains, &e.limits, &e.queues, &e.sequencer, &e.archive, &e.outward, &e.vendors, &e.exports))
}

// work is what does the jobs of one queue in all databases.
type work struct {
	runners pg.Databases[*job.Runner]
	wakers  pg.Databases[*claim.Waker]
}

// works returns what does the jobs of each queue; sender sends the mails, and also are
// further kinds.
func (h *host) works(ctx context.Context, e *jobEnv, workers pg.Databases[*pg.Worker], sender *mail.Sender, also []job.Declared) map[job.Queue]work {
	db, err := e.database.OpenWith(ctx, func(ctx context.Context, url string) (*pg.DB, error) { return pg.OpenFor(ctx, url, jobSessions) })
	lambdahost.ExitOn(err)
	h.AnnounceEntries(db, e.database)
	deleter, deliveries := h.deleter(db, e.keys, e.domains, e.limits), h.Wakers(e.wake, e.database)
	webhook.Announce(db, deliveries, h.Clock, h.Log)
	sender.DB, sender.Log = db, h.Log
	sender.Suppressed = feedback.TellSuppressed(deliveries, h.Clock)
	if sender.Templates != nil {
		sender.Overrides = &override.Published{Home: db.Shared(), Set: sender.Templates, Clock: h.Clock}
	}
	archiver := h.archiver(db, e.archive)
	policy, err := egress.ParsePolicy(e.outward.Allow)
	lambdahost.ExitOn(err)
	streams := streaming.New(policy, h.Clock, streaming.Vendors{Datadog: e.vendors.Datadog}, h.AWS)
	all := map[job.Queue]work{}
	for q, wakers := range h.Announce(deleter.DB, e.queues, e.wake, e.database) {
		handOver := queue.NewSender(sqs.NewFromConfig(h.AWS), e.queues.URL(q))
		runners, err := pg.Make(workers, func(name string, db *pg.Worker) (*job.Runner, error) {
			own := jobs.Kinds{
				Deleter: deleter, Due: deliveries[name].Due, Clock: h.Clock, Log: h.Log, Box: sender.Box, Database: name, Archiver: archiver,
				Streams: streams, Fetch: document.Reader(policy.Transport()), Exports: bucket.New(h.AWS, e.exports.Bucket), ExportURL: exportURL(sender.Public),
			}
			kinds, err := jobs.Registry(own, sender, also...)
			return &job.Runner{
				DB: deleter.DB, Worker: db, Database: name, Queue: q, Kinds: kinds, Clock: h.Clock, Log: h.Log,
				HandOver: handOver.Send, Fire: fire(db, q),
			}, err
		})
		lambdahost.ExitOn(err)
		all[q] = work{runners, wakers}
	}
	return all
}

func fire(db *pg.Worker, q job.Queue) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := schedule.Fire(ctx, db, q)
		return err
	}
}

// deployments returns what deploys the schedules of each database.
func (h *host) deployments(e *jobEnv, workers pg.Databases[*pg.Worker]) pg.Databases[*jobs.Deployment] {
	table := dynamo.NewTable(dynamodb.NewFromConfig(h.AWS), e.wake.Table, "id")
	var m mailEnv
	lambdahost.ExitOn(lambdahost.Read(&m))
	schedules := jobs.Schedules
	if m.throughSES() {
		schedules = slices.Concat(schedules, jobs.SESSchedules)
	}
	all, err := pg.Make(workers, func(name string, db *pg.Worker) (*jobs.Deployment, error) {
		d := &jobs.Deployment{
			DB: db, Database: name, Schedules: schedules, Release: release(), Table: table, Dues: map[job.Queue]*claim.Due{}, Clock: h.Clock,
		}
		if name != pg.Home {
			d.Home = workers[pg.Home]
		}
		return d, nil
	})
	lambdahost.ExitOn(err)
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
	own := h.works(ctx, &e, e.database.Workers(ctx, 4), h.mailSender(ctx, q), also)[q] // claim, record, renew, listen
	all, err := pg.Make(own.runners, func(name string, r *job.Runner) (*jobs.Runner, error) {
		return &jobs.Runner{Jobs: r, Dispatcher: claim.Dispatcher{
			DB: r.Worker, Waker: own.wakers[name], Clock: h.Clock, Log: h.Log, Lease: job.LeaseFor, Batch: jobsBatch,
			Concurrency: runner.Concurrency, Idle: jobsIdle,
		}}, nil
	})
	lambdahost.ExitOn(err)
	lambdahost.Consume(jobs.RunJobs(all), h.Log)
}
