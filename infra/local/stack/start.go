package stack

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/infra/local/aws"
	"portico/infra/local/gateway"
	"portico/infra/local/inbox"
	"portico/infra/local/lambda"
	"portico/infra/local/services"
	"portico/infra/local/template"
	"portico/infra/local/trigger"
)

// startServices builds the functions and starts Postgres and DynamoDB, side by
// side.
func (s *Stack) startServices(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		s.opts.Progress("building the functions, which takes a minute or two the first time")
		return s.timed("built the functions", func() error { return s.build(ctx) })
	})
	if s.usesPostgres() {
		group.Go(func() error { return s.timed("started Postgres", func() error { return s.startPostgres(ctx) }) })
	}
	if len(s.Template.Tables) > 0 {
		group.Go(func() error { return s.timed("started DynamoDB", func() error { return s.startDynamoDB(ctx) }) })
	}
	return group.Wait()
}

func (s *Stack) timed(what string, do func() error) error {
	begin := time.Now()
	if err := do(); err != nil {
		return err
	}
	s.opts.Progress("%s (%.1f s)", what, time.Since(begin).Seconds())
	return nil
}

func (s *Stack) usesPostgres() bool {
	return slices.ContainsFunc(s.Template.Functions, func(f template.Function) bool { return f.Env["DATABASE_URL"] != "" })
}

func (s *Stack) startPostgres(ctx context.Context) error {
	opts := services.PostgresOptions{URL: s.opts.DatabaseURL, Throwaway: s.opts.Throwaway, Progress: s.opts.Progress}
	if !s.opts.Throwaway {
		opts.Dir, opts.Port = filepath.Join(s.stateDir, "postgres"), services.PreferredPort
	}
	p, err := services.StartPostgres(ctx, opts)
	if err != nil {
		return err
	}
	s.postgres = p
	s.DatabaseURL = p.AdminURLOf(services.Database)
	return p.EnsureDatabases(ctx, s.opts.Databases...)
}

func (s *Stack) startDynamoDB(ctx context.Context) error {
	opts := services.DynaliteOptions{Package: s.opts.NodePackage, Private: true, Progress: s.opts.Progress}
	if !s.opts.Throwaway {
		opts.Dir = filepath.Join(s.stateDir, "dynamodb")
	}
	d, err := services.StartDynalite(ctx, opts)
	if err != nil {
		return err
	}
	s.dynalite = d
	return d.EnsureTables(ctx, s.Template.Tables)
}

// startAWS makes the queues, secrets and buckets and serves them.
func (s *Stack) startAWS(context.Context) error {
	opts := aws.Options{Endpoint: s.AWSURL, Region: Region, AccountID: AccountID, Invoke: s.invokeByName, Logf: s.logf, Clock: s.now}
	if !s.opts.Throwaway {
		opts.SecretFile, opts.ObjectDir = filepath.Join(s.stateDir, "secrets.json"), filepath.Join(s.stateDir, "objects")
	}
	var err error
	if s.aws, err = aws.NewServer(opts); err != nil {
		return err
	}
	for _, q := range s.Template.Queues {
		s.aws.AddQueue(q.Name, aws.QueueAttributes{
			VisibilityTimeout: q.VisibilityTimeout, Delay: q.Delay, Retention: q.Retention, ReceiveWait: q.ReceiveWait,
			MaxMessageBytes: q.MaxMessageBytes, DeadLetterQueue: q.DeadLetterQueue, MaxReceiveCount: q.MaxReceiveCount,
		})
	}
	s.aws.SetSES(s.Template.SES)
	for _, secret := range slices.Concat(s.Template.Secrets, []template.Secret{providerSecret}, s.opts.Secrets) {
		if err := s.aws.AddSecret(secret); err != nil {
			return err
		}
	}
	for _, b := range s.Template.Buckets {
		if err := s.aws.AddBucket(b.Name); err != nil {
			return err
		}
	}
	if err := s.aws.AddBucket(customersBucket); err != nil {
		return err
	}
	s.serve(s.listeners.aws, fromThisMachine(noWebhooks(below(path.Base(s.AWSURL), s.callbacks.above(s.dynamoDBAbove(s.aws))))))
	return nil
}

// customersBucket plays a bucket in a customer's account, to which streams of the audit log
// can send.
const customersBucket = "acme-audit-log"

// dynamoDBAbove serves DynamoDB at the address of the other services.
func (s *Stack) dynamoDBAbove(next http.Handler) http.Handler {
	if s.dynalite == nil {
		return next
	}
	dynamoDB := s.dynalite.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if version, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); strings.HasPrefix(version, "DynamoDB_") {
			s.asked.count(call)
			dynamoDB.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Stack) startFunctions(context.Context) error {
	where := s.endpoints()
	s.host = lambda.NewHost(lambda.Options{
		Log: s.opts.Log, Region: Region, AccountID: AccountID, QueueWait: s.opts.QueueWait, Env: where.environment(),
	})
	for _, f := range s.Template.Functions {
		env, err := where.functionEnvironment(f, s.opts.Env)
		if err != nil {
			return fmt.Errorf("%s: %w", f.LogicalID, err)
		}
		processes := f.Reserved
		if processes == 0 {
			processes = s.opts.MaxConcurrency
		}
		if s.opts.Debug {
			processes, f.Timeout = 1, time.Hour
		}
		if _, err := s.host.Add(lambda.Config{
			Name: f.Name, Binary: binary(s.buildDir(), f), Handler: f.Handler, Timeout: f.Timeout, MemoryMB: f.MemoryMB,
			MaxConcurrency: processes, Env: env,
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) startAPI(context.Context) error {
	var routes []gateway.Route
	for _, r := range s.Template.Routes {
		routes = append(routes, gateway.Route{Method: r.Method, Path: r.Path, Invoke: s.host.Function(r.Function).Invoke})
	}
	api, err := gateway.New(routes, gateway.Options{Logf: s.logf})
	if err != nil {
		return err
	}
	secrets := ""
	if !s.opts.Throwaway {
		secrets = filepath.Join(s.stateDir, "inbox.json")
	}
	if s.inbox, err = inbox.New(inboxPath, secrets); err != nil {
		return err
	}
	s.serve(s.listeners.api, s.control().above(s.inbox.Learn(api)))
	return nil
}

// startTriggers polls the queues and keeps the schedules until Close.
func (s *Stack) startTriggers() {
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	for _, m := range s.Template.Mappings {
		if !m.Enabled {
			continue
		}
		p := trigger.Poller{
			Mapping: m, Queue: s.aws.Queue(m.Queue), Region: Region, ARN: fmt.Sprintf("arn:aws:sqs:%s:%s:%s", Region, AccountID, m.Queue),
			Invoke: s.host.Function(m.Function).Invoke, Logf: s.logf,
		}
		s.triggers.Go(func() { p.Run(ctx) })
	}
	for _, schedule := range s.Template.Schedules {
		if !s.opts.Schedules || !schedule.Enabled {
			continue
		}
		times, err := trigger.ParseSchedule(schedule.Expression)
		if err != nil {
			s.logf("%s is not fired by time: %v", schedule.LogicalID, err)
			continue
		}
		s.triggers.Go(func() {
			times.Run(ctx, func(ctx context.Context) {
				if err := s.FireSchedule(ctx, schedule.LogicalID); err != nil && ctx.Err() == nil {
					s.logf("%v", err)
				}
			})
		})
	}
}
