package lambdahost

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"portico/shared/apikey"
	"portico/shared/egress"
	"portico/shared/event"
	"portico/shared/jobs"
	"portico/shared/pg"
	"portico/shared/webhook"
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
	box, err := h.box(ctx, sealing)
	exitOn(err)
	waker := h.waker(wake)
	consume(jobs.Dispatch(&webhook.Dispatcher{
		DB:  openWorker(ctx, database, 4), // claim, record, renew, listen
		Box: box, Due: waker.Due, Nudge: waker.Nudge, Clock: h.clock, Log: h.log,
		Sender:      webhook.NewSender(policy, h.clock, webhook.MaxTimeout),
		Disabling:   webhook.Disabling{After: own.DisableAfter, Failures: own.DisableAfterFailures},
		Publish:     event.PublishNotices,
		Concurrency: own.Concurrency, Idle: own.Idle,
	}), h.log)
}

// Sweeper runs the sweep of every minute.
func Sweeper() {
	ctx := context.Background()
	var (
		database databaseEnv
		wake     wakeEnv
	)
	h := begin(ctx, &database, &wake)
	s := &webhook.Sweeper{DB: openWorker(ctx, database, 1), Waker: h.waker(wake), Clock: h.clock, Log: h.log}
	invoke(func(ctx context.Context, _ json.RawMessage) (any, error) { return nil, s.Sweep(ctx) })
}

// Maintenance runs the daily upkeep.
func Maintenance() {
	ctx := context.Background()
	var (
		database databaseEnv
		wake     wakeEnv
	)
	h := begin(ctx, &database, &wake)
	u := &jobs.Upkeep{DB: openWorker(ctx, database, 1), Waker: h.waker(wake), Clock: h.clock, Log: h.log}
	invoke(func(ctx context.Context, _ json.RawMessage) (any, error) {
		done, err := u.Maintain(ctx)
		h.log.Info("maintained", "done", done)
		return done, err
	})
}

// Bootstrap creates an organization and its first API key, or a staff key, on
// direct invocation.
func Bootstrap() {
	ctx := context.Background()
	var (
		database databaseEnv
		keys     keysEnv
	)
	h := begin(ctx, &database, &keys)
	db, err := pg.Open(ctx, database.URL)
	exitOn(err)
	projection := apikey.NewProjection(dynamodb.NewFromConfig(h.aws), keys.Table, db, h.clock)
	invoke(func(ctx context.Context, payload json.RawMessage) (any, error) {
		return jobs.Begin(ctx, db, projection, h.clock, payload)
	})
}

// begin makes the host of a function that needs this environment.
func begin(ctx context.Context, environment ...any) *host {
	h, err := newHost(ctx)
	exitOn(err)
	exitOn(read(environment...))
	return h
}

func openWorker(ctx context.Context, database databaseEnv, sessions int32) *pg.Worker {
	db, err := pg.OpenWorker(ctx, database.URL, sessions)
	exitOn(err)
	return db
}

// Migrate brings the database up to date when CloudFormation asks for it.
func Migrate() {
	ctx := context.Background()
	var e migrateEnv
	h := begin(ctx, &e)
	login := jobs.Login{URL: e.URL, RolePassword: e.RolePassword}
	if e.Secret != "" {
		login.Credentials = func(ctx context.Context) (string, error) {
			out, err := secretsmanager.NewFromConfig(h.aws).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.Secret})
			if err != nil {
				return "", err
			}
			return *out.SecretString, nil
		}
	}
	lambda.Start(cfn.LambdaWrap(func(ctx context.Context, event cfn.Event) (string, map[string]any, error) {
		if event.RequestType == cfn.RequestDelete {
			return event.PhysicalResourceID, nil, nil // the data outlives the stack
		}
		version, err := jobs.Migrate(ctx, login)
		return "migrations", map[string]any{"Version": version}, err
	}))
}
