// Package migrations holds the schema, forward only: a release first expands
// it, a later one contracts it, so the code before and after both run on it.
package migrations

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"portico/shared/clock"
	"portico/shared/pg"
)

//go:embed *.sql
var files embed.FS

// Version identifies the set of migrations: the SHA-256 over their names and
// texts in order. The deployment runs MigrateFunction when it changes.
func Version() string { return versionOf(files) }

func versionOf(files fs.FS) string {
	names, err := fs.Glob(files, "*.sql") // sorted
	if err != nil {
		panic(err) // the pattern is constant
	}
	sum := sha256.New()
	for _, name := range names {
		text, _ := fs.ReadFile(files, name)
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Apply makes the roles and brings the database up to date, idempotently. The
// login behind url owns the database and may create roles, but need not be
// superuser (Aurora's master is none). With a rolePassword the application's
// roles log in by it; without one they are given rds_iam.
func Apply(ctx context.Context, config *pgx.ConnConfig, rolePassword string) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("migrations: connect: %w", err)
	}
	defer conn.Close(ctx)
	// Two deployments wait for each other.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(7046029254386353131)`); err != nil {
		return fmt.Errorf("migrations: lock: %w", err)
	}
	if err := makeRoles(ctx, conn, rolePassword); err != nil {
		return err
	}
	if err := migrate(ctx, config, files); err != nil {
		return err
	}
	// A database that was not in use for months has no partitions for today.
	if _, err := conn.Exec(ctx, `SET ROLE portico_owner; SELECT make_partitions(); RESET ROLE`); err != nil {
		return fmt.Errorf("migrations: partitions: %w", err)
	}
	return nil
}

// A migration that needs a table for itself waits until whoever reads it has
// ended, and everybody else waits behind it. So it gives up soon and tries
// again: it holds the table up for a tenth of the time at most.
const (
	lockAtMost  = 500 * time.Millisecond
	lockPause   = 10 * lockAtMost
	lockTries   = 60
	lockMissing = "a table was in use for five minutes; look for old transactions in pg_stat_activity, end them, and deploy again"
)

func migrate(ctx context.Context, config *pgx.ConnConfig, files fs.FS) error {
	config = config.Copy()
	config.RuntimeParams["role"] = "portico_owner"
	config.RuntimeParams["lock_timeout"] = fmt.Sprint(lockAtMost.Milliseconds())
	db := stdlib.OpenDB(*config)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return withPatience(ctx, func() error {
		_, err := provider.Up(ctx) // each migration in a transaction of its own
		return err
	})
}

// withPatience repeats what gave up waiting for a lock.
func withPatience(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		switch {
		case err == nil:
			return nil
		case !pg.IsLockTimeout(err):
			return fmt.Errorf("migrations: %w", err)
		case try == lockTries:
			return fmt.Errorf("migrations: %s: %w", lockMissing, err)
		}
		if ended := clock.Sleep(ctx, lockPause); ended != nil {
			return fmt.Errorf("migrations: %w", errors.Join(ended, err))
		}
	}
}
