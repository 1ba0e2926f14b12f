// Package work runs background work: what queues, schedules and people at their desk start.
package work

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
	"portico/shared/lambdahost"
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
		database lambdahost.DatabaseEnv
		sealing  lambdahost.SealingEnv
		wake     lambdahost.WakeEnv
		outward  lambdahost.EgressEnv
		own      dispatcherEnv
	)
	h := begin(ctx, &database, &sealing, &wake, &outward, &own)
	policy, err := egress.ParsePolicy(outward.Allow)
	lambdahost.ExitOn(err)
	box, err := h.Box(sealing)
	lambdahost.ExitOn(err)
	sender, wakers := sending.New(policy, h.Clock, sending.MaxTimeout), h.Wakers(wake, database)
	workers := database.Workers(ctx, 4) // claim, record, renew, listen
	if n := len(workers); own.MaxConcurrency > 0 && own.MaxConcurrency < n {
		h.Log.Warn("there are more databases than dispatchers, so some databases wait for others: raise DispatcherMaxConcurrency", "databases", n)
	}
	// It only lowers their due times.
	high, entries := h.WakersOf(string(job.High), "", wake, database), h.WakersOf(audit.Unchained, "", wake, database)
	dispatchers, err := pg.Make(workers, func(name string, db *pg.Worker) (*dispatching.Dispatcher, error) {
		return &dispatching.Dispatcher{
			Dispatcher: claim.Dispatcher{
				DB: db, Waker: wakers[name], Clock: h.Clock, Log: h.Log,
				Concurrency: own.Concurrency, Share: own.share(len(workers)), Idle: max(own.Idle, claim.IdleAtLeast),
			},
			Box: box, Sender: sender,
			Disabling: dispatching.Disabling{After: own.DisableAfter, Failures: own.DisableAfterFailures},
			Publish:   jobs.Notices{Due: high[name].Due, Entries: entries[name].Due, Clock: h.Clock, Log: h.Log}.Publish,
		}, nil
	})
	lambdahost.ExitOn(err)
	lambdahost.Consume(jobs.Dispatch(dispatchers), h.Log)
}

// Sweeper runs the sweep of every minute, also for jobs of the kinds that the bench
// adds.
func Sweeper(also ...job.Declared) {
	ctx := context.Background()
	var e jobEnv
	h := begin(ctx)
	h.readJobs(&e)
	workers, wakers := e.database.Workers(ctx, 2), h.Wakers(e.wake, e.database)
	sequencers := h.SequencerWakers(e.sequencer, e.database)
	swept, err := pg.Make(workers, func(name string, db *pg.Worker) ([]claim.Swept, error) {
		return []claim.Swept{dispatching.Swept(db, wakers[name]), (&chain.Sequencer{Dispatcher: claim.Dispatcher{DB: db}}).Swept(sequencers[name])}, nil
	})
	lambdahost.ExitOn(err)
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
		h.Log.Warn("the mover stopped before the end of a move, which is finished now: invoke it again to erase the old rows", "organization", org, "from", from, "database", to)
	}}
	lambdahost.Invoke(func(ctx context.Context, _ json.RawMessage) (any, error) {
		return nil, workers.Each(func(name string, db *pg.Worker) error {
			if err := deployed[name].Ensure(ctx); err != nil {
				h.Log.Error("schedules could not be deployed; the next sweep tries again", "database", name, "cause", err.Error())
			}
			finish := func(ctx context.Context) (bool, error) { return moves.Finish(ctx, name) }
			s := claim.Sweeper{DB: db, Queues: swept[name], Clock: h.Clock, Log: h.Log, FinishMoves: finish}
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
		database lambdahost.DatabaseEnv
		wake     lambdahost.WakeEnv
	)
	h := begin(ctx, &database, &wake)
	db, err := database.OpenWith(ctx, func(ctx context.Context, url string) (*pg.DB, error) { return pg.OpenFor(ctx, url, feedbackSessions) })
	lambdahost.ExitOn(err)
	desk := &feedback.Desk{DB: db, Wakers: h.Wakers(wake, database), Subscriptions: fanout.NewCache(), Clock: h.Clock, Log: h.Log}
	lambdahost.Consume(jobs.MailFeedback(desk, h.Log), h.Log)
}

// expireFor is how long the daily upkeep deletes events of organizations that keep them
// for a shorter time, in all databases together. The rest needs far less than the other
// half of the function's timeout.
const expireFor = 7 * time.Minute

// Maintenance runs the daily upkeep.
func Maintenance() {
	ctx := context.Background()
	var (
		database lambdahost.DatabaseEnv
		wake     lambdahost.WakeEnv
		keep     retentionEnv
		audit    auditRetentionEnv
	)
	h := begin(ctx, &database, &wake, &keep, &audit)
	workers, wakers := database.Workers(ctx, 1), h.Wakers(wake, database)
	lambdahost.Invoke(func(ctx context.Context, _ json.RawMessage) (any, error) {
		all := pg.Databases[jobs.Maintained]{}
		return all, workers.Each(func(name string, db *pg.Worker) (err error) {
			u := jobs.Upkeep{
				DB: db, Waker: wakers[name], Clock: h.Clock, Log: h.Log,
				Keep: time.Duration(keep.Days) * 24 * time.Hour, KeepAudit: time.Duration(audit.Days) * 24 * time.Hour, ExpireFor: expireFor / time.Duration(len(workers)),
			}
			all[name], err = u.Maintain(ctx)
			h.Log.Info("maintained", "database", name, "done", all[name])
			return err
		})
	})
}

// Bootstrap runs a command on direct invocation, such as one that creates the
// first organization.
func Bootstrap() {
	ctx := context.Background()
	var (
		database lambdahost.DatabaseEnv
		keys     lambdahost.KeysEnv
		domains  lambdahost.DomainEnv
		limits   lambdahost.LimitTableEnv
	)
	h := begin(ctx, &database, &keys, &domains, &limits)
	db, err := database.Open(ctx)
	lambdahost.ExitOn(err)
	h.AnnounceEntries(db, database)
	projection := apikey.NewProjection(dynamodb.NewFromConfig(h.AWS), keys.Table, db, h.Clock)
	lambdahost.Invoke(jobs.Bootstrap{DB: db, Keys: projection, Hosts: h.Hosts(domains), Overrides: h.Overrides(limits), Clock: h.Clock}.Run)
}

// Migrate brings the databases up to date when CloudFormation asks for it.
func Migrate() {
	ctx := context.Background()
	var (
		database lambdahost.DatabaseEnv
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
		database lambdahost.DatabaseEnv
		e        migrateEnv
		wake     lambdahost.WakeEnv
		queues   lambdahost.JobQueuesEnv
		chains   lambdahost.SequencerEnv
	)
	h := begin(ctx, &database, &e, &wake, &queues, &chains)
	m := jobs.Move{
		Logins: h.logins(database, e), Wakers: h.allWakers(wake, queues, chains, database), Clock: h.Clock,
		Progress: func(format string, args ...any) { h.Log.Info(fmt.Sprintf(format, args...)) },
	}
	lambdahost.Invoke(func(ctx context.Context, payload json.RawMessage) (any, error) {
		ctx, cancel := lambdahost.EndEarlier(ctx, forUndoing)
		defer cancel()
		return m.Run(ctx, payload)
	})
}

// allWakers returns the wakers of deliveries, of jobs and of sequencers.
func (h *host) allWakers(wake lambdahost.WakeEnv, queues lambdahost.JobQueuesEnv, chains lambdahost.SequencerEnv, database lambdahost.DatabaseEnv) pg.Databases[[]*claim.Waker] {
	all := pg.Databases[[]*claim.Waker]{}
	for name, w := range h.Wakers(wake, database) {
		all[name] = append(all[name], w)
	}
	for name, w := range h.SequencerWakers(chains, database) {
		all[name] = append(all[name], w)
	}
	for _, q := range job.Queues {
		for name, w := range h.WakersOf(string(q), queues.URL(q), wake, database) {
			all[name] = append(all[name], w)
		}
	}
	return all
}

// logins returns how every database is reached as its owner's login.
func (h *host) logins(database lambdahost.DatabaseEnv, e migrateEnv) pg.Databases[jobs.Login] {
	urls, err := database.URLs()
	lambdahost.ExitOn(err)
	logins, err := pg.Make(urls, func(name, url string) (jobs.Login, error) {
		login := jobs.Login{URL: url, RolePassword: e.RolePassword}
		if secret := cmp.Or(database.Others[name].Secret, e.Secret); secret != "" {
			login.Credentials = func(ctx context.Context) (string, error) {
				out, err := secretsmanager.NewFromConfig(h.AWS).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &secret})
				if err != nil {
					return "", err
				}
				return *out.SecretString, nil
			}
		}
		return login, nil
	})
	lambdahost.ExitOn(err)
	return logins
}

// deleter erases organizations. It logs in as portico_app also in a function
// whose other work is that of portico_worker, which may not erase.
func (h *host) deleter(db *pg.DB, keys lambdahost.KeysEnv, domains lambdahost.DomainEnv, limits lambdahost.LimitTableEnv) jobs.Deleter {
	projection := apikey.NewProjection(dynamodb.NewFromConfig(h.AWS), keys.Table, db, h.Clock)
	return jobs.Deleter{DB: db, Keys: projection, Hosts: h.Hosts(domains), Overrides: h.Overrides(limits), Clock: h.Clock}
}
