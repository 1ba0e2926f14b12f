package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit/anchor"
	"portico/shared/audit/chain"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

const (
	// gather is how long the first entry waits, so that an object has more of them.
	gather = 10 * time.Minute
	// awayFor is when to try again while S3 or DynamoDB is away.
	awayFor = time.Minute
	// key makes an archiver the only one of its log.
	key = "archive"
)

// Kind archives the log of an organization: a job for each object.
func (a *Archiver) Kind() job.Kind[struct{}] {
	return job.Kind[struct{}]{Name: "audit_log.archive", Queue: job.Bulk, Timeout: 2 * time.Minute, Unique: job.Waits, Work: a.work("")}
}

// PlatformKind archives the platform's log of a database.
func (a *Archiver) PlatformKind(database string) job.Kind[struct{}] {
	return job.Kind[struct{}]{Name: "audit_log.archive_platform", Queue: job.Bulk, Timeout: 2 * time.Minute, Unique: job.Waits, Platform: true, Work: a.work(database)}
}

func (a *Archiver) work(database string) job.Work[struct{}] {
	return job.Call(func(ctx context.Context, j job.Job, _ struct{}) (archived, error) {
		at, full, err := a.archive(ctx, anchor.Log{Org: j.Org, Database: database})
		if err != nil && !errors.Is(err, ErrDiffers) {
			return archived{}, job.Snooze(awayFor)
		}
		return archived{at, full}, err
	}, func(ctx context.Context, tx pg.Tx, j job.Job, _ struct{}, done archived) error {
		more, err := note(ctx, tx, j.Org, done.at)
		if err != nil || !more {
			return err
		}
		wait := gather
		if done.full {
			wait = 0
		}
		return a.add(ctx, tx, j.Org, database, wait)
	})
}

// archived is what became of a try.
type archived struct {
	at   chain.Head
	full bool
}

// note stores the end of the archive, and reports whether entries wait behind it. The
// head stays locked until the commit, so the sequencer that chains the next entry sees
// whether a job will archive it.
func note(ctx context.Context, tx pg.Tx, org id.Org, at chain.Head) (more bool, err error) {
	err = tx.QueryRow(ctx, `
		UPDATE audit_head SET archived = greatest(archived, $2), archiving = number > greatest(archived, $2)
		WHERE org_id = $1 RETURNING archiving`, [16]byte(org.UUID), at.Number).Scan(&more)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("archive.note: %w", err)
	}
	return more, nil
}

func (a *Archiver) add(ctx context.Context, tx pg.Tx, org id.Org, database string, wait time.Duration) error {
	kind := a.Kind()
	if org.IsZero() {
		kind = a.PlatformKind(database)
	}
	_, err := job.Add(ctx, tx, org, kind, struct{}{}, job.Options{Key: key, Delay: wait})
	return err
}
