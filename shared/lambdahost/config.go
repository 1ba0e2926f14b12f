package lambdahost

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/caarlos0/env/v11"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/hostname"
	"portico/shared/limit/override"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/queue"
	"portico/shared/secret"
	"portico/shared/webhook"
)

// The environment, a struct per concern. template.yaml sets it.
type (
	stageEnv struct {
		Stage string `env:"STAGE,required,notEmpty"`
		// ClockOffset is added to the clock; only tests and the local stack set it.
		ClockOffset time.Duration `env:"PORTICO_CLOCK_OFFSET"`
	}
	keysEnv struct {
		Table string `env:"API_KEY_TABLE,required,notEmpty"`
	}
	domainEnv struct {
		Table string `env:"DOMAIN_TABLE,required,notEmpty"`
		// Base is the domain whose subdomains organizations may have; empty: none.
		Base string `env:"BASE_DOMAIN"`
		// NameServer is asked instead of those of the machine; only the local stack sets it.
		NameServer string `env:"PORTICO_NAME_SERVER"`
	}
	limitTableEnv struct {
		Table string `env:"LIMIT_TABLE,required,notEmpty"`
	}
	limitEnv struct {
		// Limits are those of the stage, by the name of the policy.
		Limits map[string]int64 `env:"LIMITS,required,notEmpty"`
		// Delayed names the policies that let a call wait instead of refusing it.
		Delayed []string `env:"LIMITS_DELAYED"`
		// Environments is how many share a limit while DynamoDB cannot be asked.
		Environments int `env:"LIMIT_ENVIRONMENTS,required,notEmpty"`
	}
	sealingEnv struct {
		Secret string `env:"SEALING_SECRET,required,notEmpty"`
	}
	wakeEnv struct {
		Table string `env:"DUE_TABLE,required,notEmpty"`
		Queue string `env:"DISPATCH_QUEUE_URL,required,notEmpty"`
	}
	jobQueuesEnv struct {
		High    string `env:"HIGH_QUEUE_URL,required,notEmpty"`
		Bulk    string `env:"BULK_QUEUE_URL,required,notEmpty"`
		Billing string `env:"BILLING_QUEUE_URL,required,notEmpty"`
	}
	egressEnv struct {
		// Allow lists CIDRs that may be dialled although private.
		Allow string `env:"EGRESS_ALLOW"`
		// SourceIPs are the addresses that deliveries come from.
		SourceIPs []string `env:"SOURCE_IPS"`
	}
	vendorEnv struct {
		// Datadog is the address of its intake; empty: that of a stream's site. Only tests
		// and the local stack set another.
		Datadog string `env:"DATADOG_ENDPOINT"`
	}
	dispatcherEnv struct {
		Concurrency int `env:"DISPATCHER_CONCURRENCY" envDefault:"128"`
		// MaxConcurrency is how many dispatchers run at once; 0: not known.
		MaxConcurrency int           `env:"DISPATCHER_MAX_CONCURRENCY"`
		Idle           time.Duration `env:"DISPATCHER_IDLE" envDefault:"5s"`
		// An endpoint that has only failed for this long and this often is disabled.
		DisableAfter         time.Duration `env:"DISABLE_AFTER" envDefault:"120h"`
		DisableAfterFailures int32         `env:"DISABLE_AFTER_FAILURES" envDefault:"20"`
	}
	runnerEnv struct {
		// Concurrency is how many jobs one invocation does at a time.
		Concurrency int `env:"JOBS_CONCURRENCY" envDefault:"8"`
	}
	retentionEnv struct {
		// Days for which events, deliveries and attempts are kept at least.
		Days int `env:"RETENTION_DAYS" envDefault:"30"`
	}

	// auditRetentionEnv is for how many days the audit log is kept.
	auditRetentionEnv struct {
		Days int `env:"AUDIT_RETENTION_DAYS" envDefault:"1095"`
	}
	migrateEnv struct {
		Secret       string `env:"DATABASE_SECRET"`
		RolePassword string `env:"DATABASE_ROLE_PASSWORD"`
	}
)

// share returns how many of the dispatchers that can run at once each database
// may use, so that a nudge for any database can start one; 0: any number.
func (e dispatcherEnv) share(databases int) int {
	if e.MaxConcurrency == 0 {
		return 0
	}
	return max(1, e.MaxConcurrency/databases)
}

// awsTimeout bounds one call to AWS, so that a request ends before the
// function does.
const awsTimeout = 5 * time.Second

// host is what every function has.
type host struct {
	stage string
	clock *clock.Clock
	log   *observe.Log
	aws   aws.Config
}

func newHost(ctx context.Context) (*host, error) {
	var e stageEnv
	if err := read(&e); err != nil {
		return nil, err
	}
	if err := profile(); err != nil {
		return nil, err
	}
	useMemory()
	client := awshttp.NewBuildableClient().WithTimeout(awsTimeout)
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(client))
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	return &host{stage: e.Stage, clock: clock.New(e.ClockOffset), log: observe.NewLog(os.Stdout, e.Stage), aws: cfg}, nil
}

// read fills structs from the environment; the error names all that is missing.
func read(into ...any) error {
	var missing error
	for _, v := range into {
		if err := env.Parse(v); err != nil {
			if missing != nil {
				err = fmt.Errorf("%w; %w", missing, err)
			}
			missing = err
		}
	}
	return missing
}

// box reads the sealing keys. With a known default the function does not start.
func (h *host) box(e sealingEnv) (*secret.Box, error) {
	manager := secretsmanager.NewFromConfig(h.aws)
	return secret.New(func() ([]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), awsTimeout)
		defer cancel()
		out, err := manager.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.Secret})
		if err != nil {
			return nil, fmt.Errorf("SEALING_SECRET: %w", err)
		}
		return []byte(aws.ToString(out.SecretString)), nil
	})
}

func (h *host) hosts(e domainEnv) *hostname.Hosts {
	hosts := hostname.NewHosts(dynamodb.NewFromConfig(h.aws), e.Table, e.Base, h.clock)
	if e.NameServer != "" {
		hosts.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", e.NameServer)
		}}
	}
	return hosts
}

func (h *host) overrides(e limitTableEnv) *override.Projection {
	return override.NewProjection(dynamodb.NewFromConfig(h.aws), e.Table, h.clock)
}

// wakers returns the waker of each database.
func (h *host) wakers(e wakeEnv, database databaseEnv) pg.Databases[*claim.Waker] {
	return h.wakersOf(webhook.Queue, e.Queue, e, database)
}

// wakersOf returns the wakers of a queue, to whose function url leads.
func (h *host) wakersOf(name, url string, e wakeEnv, database databaseEnv) pg.Databases[*claim.Waker] {
	urls, err := database.urls()
	exitOn(err)
	table, nudge := dynamodb.NewFromConfig(h.aws), queue.NewSender(sqs.NewFromConfig(h.aws), url)
	wakers, err := pg.Make(urls, func(database, _ string) (*claim.Waker, error) {
		return &claim.Waker{Queue: name, Database: database, Due: claim.NewDue(table, e.Table, name, database, h.clock), Nudge: nudge}, nil
	})
	exitOn(err)
	return wakers
}
