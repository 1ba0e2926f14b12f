package lambdahost

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/claim"
	"portico/shared/egress"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/jobs"
	"portico/shared/mail"
	"portico/shared/mail/feedback"
	"portico/shared/mail/transport"
	"portico/shared/pg"
	"portico/shared/placement"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/fanout"
	"portico/shared/webhook/sending"
)

// Dispatcher runs the dispatcher for each nudge.
func Dispatcher() {
	ctx := context.Background()
	var (
		database databaseEnv
		sealing  sealingEnv
		wake     wakeEnv
		outward  egressEnv
		own      dispatcherEnv
	)
	h := begin(ctx, &database, &sealing, &wake, &outward, &own)
	policy, err := egress.ParsePolicy(outward.Allow)
	exitOn(err)
	box, err := h.box(sealing)
	exitOn(err)
	sender, wakers := sending.New(policy, h.clock, sending.MaxTimeout), h.wakers(wake, database)
	workers := database.workers(ctx, 4) // claim, record, renew, listen
	if n := len(workers); own.MaxConcurrency > 0 && own.MaxConcurrency < n {
		h.log.Warn("there are more databases than dispatchers, so some databases wait for others: raise DispatcherMaxConcurrency", "databases", n)
	}
	// It only lowers their due times.
	high, entries := h.wakersOf(string(job.High), "", wake, database), h.wakersOf(audit.Unchained, "", wake, database)
	dispatchers, err := pg.Make(workers, func(name string, db *pg.Worker) (*dispatching.Dispatcher, error) {
		return &dispatching.Dispatcher{
			Dispatcher: claim.Dispatcher{
				DB: db, Waker: wakers[name], Clock: h.clock, Log: h.log,
				Concurrency: own.Concurrency, Share: own.share(len(workers)), Idle: max(own.Idle, claim.IdleAtLeast),
			},
			Box: box, Sender: sender,
			Disabling: dispatching.Disabling{After: own.DisableAfter, Failures: own.DisableAfterFailures},
			Publish:   jobs.Notices{Due: high[name].Due, Entries: entries[name].Due, Clock: h.clock, Log: h.log}.Publish,
		}, nil
	})
	exitOn(err)
	consume(jobs.Dispatch(dispatchers), h.log)
}

// Sweeper runs the sweep of every minute, also for jobs of the kinds that the bench
// adds.
func Sweeper(also ...job.Declared) {
	ctx := context.Background()
	var e jobEnv
	h := begin(ctx)
	h.readJobs(&e)
	workers, wakers := e.database.workers(ctx, 2), h.wakers(e.wake, e.database)
	sequencers := h.sequencerWakers(e.sequencer, e.database)
	swept, err := pg.Make(workers, func(name string, db *pg.Worker) ([]claim.Swept, error) {
		return []claim.Swept{dispatching.Swept(db, wakers[name]), (&chain.Sequencer{Dispatcher: claim.Dispatcher{DB: db}}).Swept(sequencers[name])}, nil
	})
	exitOn(err)
	deployed := h.deployments(&e, workers)
	// It sends nothing, but knows for which throttle mail waits.
	knows := &mail.Sender{Account: func(context.Context) (transport.Account, error) { return transport.Account{}, errors.ErrUnsupported }}
	works := h.works(ctx, &e, workers, knows, also)
	for _, q := range job.Queues {
		for name, r := range works[q].runners {
			swept[name] = append(swept[name], r.Swept(works[q].wakers[name]))
			deployed[name].Kinds, deployed[name].Dues[q] = r.Kinds, works[q].wakers[name].Due
		}
	}
	moves := placement.Finisher{Workers: workers, Finished: func(org id.Org, from, to string) {
		h.log.Warn("the mover stopped before the end of a move, which is finished now: invoke it again to erase the old rows", "organization", org, "from", from, "database", to)
	}}
	invoke(func(ctx context.Context, _ json.RawMessage) (any, error) {
		return nil, workers.Each(func(name string, db *pg.Worker) error {
			if err := deployed[name].Ensure(ctx); err != nil {
				h.log.Error("schedules could not be deployed; the next sweep tries again", "database", name, "cause", err.Error())
			}
			finish := func(ctx context.Context) (bool, error) { return moves.Finish(ctx, name) }
			s := claim.Sweeper{DB: db, Queues: swept[name], Clock: h.clock, Log: h.log, FinishMoves: finish}
			return s.Sweep(ctx)
		})
	})
}

// feedbackSessions is how many transactions at a time record what became of mails.
const feedbackSessions = 2

// MailFeedback records what SES reports about mails.
func MailFeedback() {
	ctx := context.Background()
	var (
		database databaseEnv
		wake     wakeEnv
	)
	h := begin(ctx, &database, &wake)
	db, err := database.openWith(ctx, func(ctx context.Context, url string) (*pg.DB, error) { return pg.OpenFor(ctx, url, feedbackSessions) })
	exitOn(err)
	desk := &feedback.Desk{DB: db, Wakers: h.wakers(wake, database), Subscriptions: fanout.NewCache(), Clock: h.clock, Log: h.log}
	consume(jobs.MailFeedback(desk, h.log), h.log)
}

// expireFor is how long the daily upkeep deletes events of organizations that keep them
// for a shorter time, in all databases together. The rest needs far less than the other
// half of the function's timeout.
const expireFor = 7 * time.Minute

// Maintenance runs the daily upkeep.
func Maintenance() {
	ctx := context.Background()
	var (
		database databaseEnv
		wake     wakeEnv
		keep     retentionEnv
		audit    auditRetentionEnv
	)
	h := begin(ctx, &database, &wake, &keep, &audit)
	workers, wakers := database.workers(ctx, 1), h.wakers(wake, database)
	invoke(func(ctx context.Context, _ json.RawMessage) (any, error) {
		all := pg.Databases[jobs.Maintained]{}
		return all, workers.Each(func(name string, db *pg.Worker) (err error) {
			u := jobs.Upkeep{
				DB: db, Waker: wakers[name], Clock: h.clock, Log: h.log,
				Keep: time.Duration(keep.Days) * 24 * time.Hour, KeepAudit: time.Duration(audit.Days) * 24 * time.Hour, ExpireFor: expireFor / time.Duration(len(workers)),
			}
			all[name], err = u.Maintain(ctx)
			h.log.Info("maintained", "database", name, "done", all[name])
			return err
		})
	})
}

// Bootstrap runs a command on direct invocation, such as one that creates the
// first organization.
func Bootstrap() {
	ctx := context.Background()
	var (
		database databaseEnv
		keys     keysEnv
		domains  domainEnv
		limits   limitTableEnv
	)
	h := begin(ctx, &database, &keys, &domains, &limits)
	db, err := database.open(ctx)
	exitOn(err)
	h.announceEntries(db, database)
	projection := apikey.NewProjection(dynamodb.NewFromConfig(h.aws), keys.Table, db, h.clock)
	invoke(jobs.Bootstrap{DB: db, Keys: projection, Hosts: h.hosts(domains), Overrides: h.overrides(limits), Clock: h.clock}.Run)
}

// begin makes the host of a function that needs this environment.
func begin(ctx context.Context, environment ...any) *host {
	h, err := newHost(ctx)
	exitOn(err)
	exitOn(read(environment...))
	return h
}

// Migrate brings the databases up to date when CloudFormation asks for it.
func Migrate() {
	ctx := context.Background()
	var (
		database databaseEnv
		e        migrateEnv
	)
	h := begin(ctx, &database, &e)
	logins := h.logins(database, e)
	lambda.Start(cfn.LambdaWrap(func(ctx context.Context, event cfn.Event) (string, map[string]any, error) {
		if event.RequestType == cfn.RequestDelete {
			return event.PhysicalResourceID, nil, nil // the data outlives the stack
		}
		version, err := jobs.Migrate(ctx, logins)
		return "migrations", map[string]any{"Version": version}, err
	}))
}

// forUndoing is how long before the function's timeout a move is given up, so
// that there is time to undo it.
const forUndoing = time.Minute

// Move moves an organization to another database on direct invocation.
func Move() {
	ctx := context.Background()
	var (
		database databaseEnv
		e        migrateEnv
		wake     wakeEnv
		queues   jobQueuesEnv
		chains   sequencerEnv
	)
	h := begin(ctx, &database, &e, &wake, &queues, &chains)
	m := jobs.Move{
		Logins: h.logins(database, e), Wakers: h.allWakers(wake, queues, chains, database), Clock: h.clock,
		Progress: func(format string, args ...any) { h.log.Info(fmt.Sprintf(format, args...)) },
	}
	invoke(func(ctx context.Context, payload json.RawMessage) (any, error) {
		ctx, cancel := endEarlier(ctx, forUndoing)
		defer cancel()
		return m.Run(ctx, payload)
	})
}

// allWakers returns the wakers of deliveries, of jobs and of sequencers.
func (h *host) allWakers(wake wakeEnv, queues jobQueuesEnv, chains sequencerEnv, database databaseEnv) pg.Databases[[]*claim.Waker] {
	all := pg.Databases[[]*claim.Waker]{}
	for name, w := range h.wakers(wake, database) {
		all[name] = append(all[name], w)
	}
	for name, w := range h.sequencerWakers(chains, database) {
		all[name] = append(all[name], w)
	}
	for _, q := range job.Queues {
		for name, w := range h.wakersOf(string(q), queues.url(q), wake, database) {
			all[name] = append(all[name], w)
		}
	}
	return all
}

// logins returns how every database is reached as its owner's login.
func (h *host) logins(database databaseEnv, e migrateEnv) pg.Databases[jobs.Login] {
	urls, err := database.urls()
	exitOn(err)
	logins, err := pg.Make(urls, func(name, url string) (jobs.Login, error) {
		login := jobs.Login{URL: url, RolePassword: e.RolePassword}
		if secret := cmp.Or(database.Others[name].Secret, e.Secret); secret != "" {
			login.Credentials = func(ctx context.Context) (string, error) {
				out, err := secretsmanager.NewFromConfig(h.aws).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &secret})
				if err != nil {
					return "", err
				}
				return *out.SecretString, nil
			}
		}
		return login, nil
	})
	exitOn(err)
	return logins
}

// deleter erases organizations. It logs in as portico_app also in a function
// whose other work is that of portico_worker, which may not erase.
func (h *host) deleter(db *pg.DB, keys keysEnv, domains domainEnv, limits limitTableEnv) jobs.Deleter {
	projection := apikey.NewProjection(dynamodb.NewFromConfig(h.aws), keys.Table, db, h.clock)
	return jobs.Deleter{DB: db, Keys: projection, Hosts: h.hosts(domains), Overrides: h.overrides(limits), Clock: h.clock}
}
