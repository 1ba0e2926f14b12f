package archive

import (
	"context"
	"log/slog"
	"time"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Starter adds the jobs that archive the logs of a database: as soon as an entry is
// chained behind the archive, so that an idle system has no job.
type Starter struct {
	Database string
	Due      *claim.Due // of the queue bulk
	Clock    *clock.Clock
	Log      *observe.Log
}

// lowerAtMost bounds how long Begin waits for DynamoDB, while the heads are locked.
const lowerAtMost = 500 * time.Millisecond

// Begin adds a job for each of the organizations, in the transaction that notes in
// audit_head that there is one. It is chain.Sequencer.Archive.
func (s Starter) Begin(ctx context.Context, tx pg.Tx, orgs []id.Org) error {
	// The sweep finds the jobs. If this fails, they are found when the queue is looked at
	// the next time: to chain entries must not need DynamoDB.
	short, stop := context.WithTimeout(ctx, lowerAtMost)
	defer stop()
	if err := s.Due.Lower(short, s.Clock.Now().Add(gather)); err != nil {
		s.Log.Line(ctx, slog.LevelWarn, "the sweep was not told of an archiver", nil, slog.String("cause", err.Error()))
	}
	return begin(ctx, tx, s.Database, orgs)
}

func begin(ctx context.Context, tx pg.Tx, database string, orgs []id.Org) error {
	var a Archiver
	opts := job.Options{Key: key, Delay: gather}
	for i, org := range orgs {
		if !org.IsZero() {
			continue
		}
		if _, err := job.Add(ctx, tx, org, a.PlatformKind(database), struct{}{}, opts); err != nil {
			return err
		}
		orgs = append(append([]id.Org{}, orgs[:i]...), orgs[i+1:]...)
		break
	}
	return job.AddEach(ctx, tx, orgs, a.Kind(), struct{}{}, opts)
}

// headsAtOnce is how many heads one step of WatchKind looks at.
const headsAtOnce = 10_000

// WatchKind adds the jobs that are missing: of chains from before there was an archive,
// and where a job is dead. It runs once a day in each database.
func WatchKind(database string) job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: WatchName, Queue: job.Bulk, Platform: true,
		Work: job.Steps(func(ctx context.Context, tx pg.Tx, _ job.Job, _ struct{}, after id.Org) (next id.Org, more bool, err error) {
			var heads int
			var missing []id.Org
			if heads, next, missing, err = listMissing(ctx, tx, after); err != nil {
				return next, false, err
			}
			if err := begin(ctx, tx, database, missing); err != nil {
				return next, false, err
			}
			return next, heads == headsAtOnce, nil
		}),
	}
}

// WatchName is the name of WatchKind.
const WatchName = "audit_log.watch_archive"

// listMissing looks at the heads after an organization, and marks those whose entries
// no job archives. The platform's is the first one.
func listMissing(ctx context.Context, tx pg.Tx, after id.Org) (heads int, last id.Org, missing []id.Org, err error) {
	type found struct {
		Org     id.Org
		Missing bool
	}
	list, err := pg.List[found](ctx, tx, "archive.listMissing", `
		WITH part AS (
			SELECT org_id, number > archived AND NOT EXISTS (SELECT FROM job j WHERE j.org_id = h.org_id AND j.kind = ANY ($3) AND j.status <> 'dead') AS missing
			FROM audit_head h WHERE org_id > $1 OR org_id = $1 AND $1 = '00000000-0000-0000-0000-000000000000' ORDER BY org_id LIMIT $2
		), marked AS (
			UPDATE audit_head h SET archiving = true FROM part p
			WHERE h.org_id = p.org_id AND p.missing
				AND NOT EXISTS (SELECT FROM placement m WHERE m.org_id = h.org_id AND m.until > portico_now())
				AND NOT EXISTS (SELECT FROM organization c WHERE c.id = h.org_id AND c.deleted_at IS NOT NULL)
			RETURNING h.org_id
		)
		SELECT org_id AS org, org_id IN (SELECT org_id FROM marked) AS missing FROM part ORDER BY org_id`,
		[16]byte(after.UUID), headsAtOnce, []string{(&Archiver{}).Kind().Name, (&Archiver{}).PlatformKind("").Name})
	if err != nil || len(list) == 0 {
		return 0, last, nil, err
	}
	for _, f := range list {
		if f.Missing {
			missing = append(missing, f.Org)
		}
	}
	return len(list), list[len(list)-1].Org, missing, nil
}
