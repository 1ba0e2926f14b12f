package work

import (
	"context"
	"time"

	"portico/shared/lambdahost"
)

// host opens what background work needs.
type host struct{ *lambdahost.Host }

// begin makes the host of a function that needs this environment.
func begin(ctx context.Context, environment ...any) *host {
	return &host{lambdahost.Begin(ctx, environment...)}
}

// The environment that only functions of background work have.
type (
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
