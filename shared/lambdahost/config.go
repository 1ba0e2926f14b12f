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
	"github.com/caarlos0/env/v11"

	"portico/shared/clock"
	"portico/shared/hostname"
	"portico/shared/limit/override"
	"portico/shared/observe"
	"portico/shared/secret"
)

// The environment, a struct per concern. template.yaml sets it.
type (
	stageEnv struct {
		Stage string `env:"STAGE,required,notEmpty"`
		// ClockOffset is added to the clock; only tests and the local stack set it.
		ClockOffset time.Duration `env:"PORTICO_CLOCK_OFFSET"`
	}
	KeysEnv struct {
		Table string `env:"API_KEY_TABLE,required,notEmpty"`
	}
	DomainEnv struct {
		Table string `env:"DOMAIN_TABLE,required,notEmpty"`
		// Base is the domain whose subdomains organizations may have; empty: none.
		Base string `env:"BASE_DOMAIN"`
		// NameServer is asked instead of those of the machine; only the local stack sets it.
		NameServer string `env:"PORTICO_NAME_SERVER"`
	}
	LimitTableEnv struct {
		Table string `env:"LIMIT_TABLE,required,notEmpty"`
	}
	LimitEnv struct {
		// Limits are those of the stage, by the name of the policy.
		Limits map[string]int64 `env:"LIMITS,required,notEmpty"`
		// Delayed names the policies that let a call wait instead of refusing it.
		Delayed []string `env:"LIMITS_DELAYED"`
		// Environments is how many share a limit while DynamoDB cannot be asked.
		Environments int `env:"LIMIT_ENVIRONMENTS,required,notEmpty"`
	}
	SealingEnv struct {
		Secret string `env:"SEALING_SECRET,required,notEmpty"`
	}
	WakeEnv struct {
		Table string `env:"DUE_TABLE,required,notEmpty"`
		Queue string `env:"DISPATCH_QUEUE_URL,required,notEmpty"`
	}
	JobQueuesEnv struct {
		High    string `env:"HIGH_QUEUE_URL,required,notEmpty"`
		Bulk    string `env:"BULK_QUEUE_URL,required,notEmpty"`
		Billing string `env:"BILLING_QUEUE_URL,required,notEmpty"`
	}
	EgressEnv struct {
		// Allow lists CIDRs that may be dialled although private.
		Allow string `env:"EGRESS_ALLOW"`
		// SourceIPs are the addresses that deliveries come from.
		SourceIPs []string `env:"SOURCE_IPS"`
	}
)

// AWSTimeout bounds one call to AWS, so that a request ends before the
// function does.
const AWSTimeout = 5 * time.Second

// Host is what every function has.
type Host struct {
	Stage string
	Clock *clock.Clock
	Log   *observe.Log
	AWS   aws.Config
}

func newHost(ctx context.Context) (*Host, error) {
	var e stageEnv
	if err := Read(&e); err != nil {
		return nil, err
	}
	if err := profile(); err != nil {
		return nil, err
	}
	useMemory()
	client := awshttp.NewBuildableClient().WithTimeout(AWSTimeout)
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(client))
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	return &Host{Stage: e.Stage, Clock: clock.New(e.ClockOffset), Log: observe.NewLog(os.Stdout, e.Stage), AWS: cfg}, nil
}

// Begin makes the host of a function that needs this environment.
func Begin(ctx context.Context, environment ...any) *Host {
	h, err := newHost(ctx)
	ExitOn(err)
	ExitOn(Read(environment...))
	return h
}

// Read fills structs from the environment; the error names all that is missing.
func Read(into ...any) error {
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

// Box reads the sealing keys. With a known default the function does not start.
func (h *Host) Box(e SealingEnv) (*secret.Box, error) {
	manager := secretsmanager.NewFromConfig(h.AWS)
	return secret.New(func() ([]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), AWSTimeout)
		defer cancel()
		out, err := manager.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.Secret})
		if err != nil {
			return nil, fmt.Errorf("SEALING_SECRET: %w", err)
		}
		return []byte(aws.ToString(out.SecretString)), nil
	})
}

func (h *Host) Hosts(e DomainEnv) *hostname.Hosts {
	hosts := hostname.NewHosts(dynamodb.NewFromConfig(h.AWS), e.Table, e.Base, h.Clock)
	if e.NameServer != "" {
		hosts.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", e.NameServer)
		}}
	}
	return hosts
}

func (h *Host) Overrides(e LimitTableEnv) *override.Projection {
	return override.NewProjection(dynamodb.NewFromConfig(h.AWS), e.Table, h.Clock)
}
