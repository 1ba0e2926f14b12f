package scheduled

import (
	"context"
	"errors"
	"time"

	"portico/shared/audit"
	"portico/shared/audit/export"
	"portico/shared/audit/streaming"
	"portico/shared/bucket"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

const (
	// settled is how long after the end of a period its export begins: no transaction
	// that wrote into the period lasts longer.
	settled = 5 * time.Minute
	// The waits for the file: a quarter of the time that the export takes already.
	shortestWait = 2 * time.Second
	longestWait  = 5 * time.Minute
	// tooMany is how long to wait while the organization has as many exports as it may.
	tooMany = time.Minute
	// watchAtOnce is how many schedules one step of the daily job starts.
	watchAtOnce = 500
)

// Runner does the jobs of schedules.
type Runner struct {
	Exports *bucket.Bucket // has the files
	Streams *streaming.Sender
	// Announce tells the member of a schedule by mail that the file is there. problem is
	// why the member cannot be told, for the customer; "": the mail is sent.
	Announce func(ctx context.Context, tx pg.Tx, org id.Org, s Schedule, e export.Export) (problem string, err error)
	// Told tells members that a schedule has failed several times.
	Told func(ctx context.Context, tx pg.Tx, org id.Org, s Schedule) error
}

// Kind is the job of a schedule. It makes and sends the files of all periods that have
// ended, one after the other.
func (r Runner) Kind() job.Declared {
	k := kind
	k.Work = job.Steps(func(ctx context.Context, tx pg.Tx, j job.Job, a Args, at upload) (next upload, more bool, err error) {
		s, err := lock(ctx, tx, j.Org, a.Schedule)
		if errors.Is(err, ErrNotFound) {
			return next, false, nil
		}
		if err != nil {
			return next, false, err
		}
		now, err := pg.Value[time.Time](ctx, tx, "scheduled.Runner", `SELECT portico_now()`)
		if err != nil || now.Before(s.dueAt()) {
			return next, false, err
		}
		if next, more, err = r.step(ctx, tx, j.Org, &s, at, now); err != nil {
			return next, false, err
		}
		return next, more, s.save(ctx, tx, j.Org)
	})
	return k
}

func (s Schedule) dueAt() time.Time { return s.Next.Until.Add(settled) }

// step starts the export of the next period, waits for it, or sends a part of its file.
func (r Runner) step(ctx context.Context, tx pg.Tx, org id.Org, s *Schedule, at upload, now time.Time) (next upload, more bool, err error) {
	if s.Export.IsZero() {
		return next, true, s.start(ctx, tx, org)
	}
	e, err := export.Get(ctx, tx, org, s.Export)
	if err != nil && !errors.Is(err, export.ErrNotFound) {
		return next, false, err
	}
	switch {
	case err == nil && e.Status == export.Running:
		return next, false, job.Snooze(min(max(now.Sub(e.CreatedAt)/4, shortestWait), longestWait))
	case err == nil && (e.Status == export.Cancelled || e.Status == export.Stalled):
		s.Export = id.AuditExport{}
		return next, false, r.fail(ctx, tx, org, s, "the export was "+e.Status+": another one is made", now)
	case err != nil || !e.HasFile(now):
		s.Export = id.AuditExport{} // it was so long ago that another one is needed
		return next, true, nil
	}
	problem := ""
	if s.To.Stream.IsZero() {
		problem, err = r.Announce(ctx, tx, org, *s, e)
		next.Done = true
	} else {
		next, problem, err = r.write(ctx, tx, org, *s, e, at)
	}
	switch {
	case err != nil:
		return next, false, err
	case problem != "":
		return upload{}, false, r.fail(ctx, tx, org, s, problem, now)
	case !next.Done:
		return next, true, nil
	}
	return upload{}, true, s.deliver(ctx, tx, org, e, now)
}

// start starts the export of the next period, with an entry in the log as every export
// has.
func (s *Schedule) start(ctx context.Context, tx pg.Tx, org id.Org) error {
	f := s.Filter
	f.Since, f.Until = s.Next.Since, s.Next.Until
	e, err := export.Start(ctx, tx, org, export.New{Format: s.Format, Filter: f, By: s.ID.String()})
	if errors.Is(err, export.ErrTooMany) {
		return job.Snooze(tooMany)
	}
	if err != nil {
		return err
	}
	s.Export = e.ID
	return s.record(ctx, tx, org, "audit_export.create", e, audit.Fields{
		"format": e.Format, "filtered": f.IsPartial(), "since": clock.Stamp(f.Since), "until": clock.Stamp(f.Until),
	}, e.CreatedAt)
}

// record writes an entry about an export of the schedule.
func (s *Schedule) record(ctx context.Context, tx pg.Tx, org id.Org, action string, e export.Export, after audit.Fields, now time.Time) error {
	return audit.Insert(ctx, tx, org, audit.Entry{
		Action: action, Actor: audit.Actor{Type: audit.System, ID: "audit_export_schedule"},
		Targets: []audit.Target{audit.Of("audit_export", e.ID), audit.Of("audit_export_schedule", s.ID)}, After: after, CreatedAt: now,
	})
}

// deliver notes that the file of the next period was sent.
func (s *Schedule) deliver(ctx context.Context, tx pg.Tx, org id.Org, e export.Export, now time.Time) error {
	after := audit.Fields{"since": clock.Stamp(s.Next.Since), "until": clock.Stamp(s.Next.Until)}
	if s.To.Stream.IsZero() {
		after["member_id"] = s.To.Member
	} else {
		after["stream_id"] = s.To.Stream
	}
	s.Next, s.LastExport, s.Export, s.DeliveredAt = s.Next.after(), s.Export, id.AuditExport{}, &now
	s.recover()
	return s.record(ctx, tx, org, "audit_export.deliver", e, after, now)
}

// recover forgets failures.
func (s *Schedule) recover() { s.Failures, s.FailingSince, s.NextTryAt, s.LastError = 0, nil, nil, nil }

// fail records a failed try and adds the job of the next one. After some tries members
// are told, once.
func (r Runner) fail(ctx context.Context, tx pg.Tx, org id.Org, s *Schedule, problem string, now time.Time) error {
	s.Failures++
	wait := job.Backoff[min(s.Failures, len(job.Backoff))-1]
	s.LastError, s.NextTryAt = &problem, new(now.Add(wait))
	if s.FailingSince == nil {
		s.FailingSince = &now
	}
	if _, err := job.Add(ctx, tx, org, kind, Args{s.ID}, job.Options{Key: s.ID.String(), Delay: wait}); err != nil {
		return err
	}
	if s.Failures != tellAfter {
		return nil
	}
	return r.Told(ctx, tx, org, *s)
}

// WatchName is the name of the daily job, see WatchKind.
const WatchName = "audit_export_schedule.watch"

// due names a schedule.
type due struct {
	Org      id.Org                 `json:"org"`
	Schedule id.AuditExportSchedule `json:"schedule"`
}

// WatchKind adds a job for each schedule of which a period has ended, once a day. So also
// a schedule whose job has died goes on. Nothing wakes the database more often.
func WatchKind() job.Declared {
	return job.Kind[struct{}]{
		Name: WatchName, Queue: job.Bulk, Platform: true,
		Work: job.Steps(func(ctx context.Context, tx pg.Tx, _ job.Job, _ struct{}, after due) (due, bool, error) {
			list, err := pg.List[due](ctx, tx, "scheduled.WatchKind", `
				SELECT org_id AS org, id AS schedule FROM audit_export_schedule s
				WHERE next_until <= portico_now() - $3::interval AND (org_id, id) > ($1::uuid, $2::uuid)
					AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = s.org_id AND p.until > portico_now())
				ORDER BY org_id, id LIMIT $4`, after.Org.UUID, after.Schedule.UUID, settled, watchAtOnce)
			if err != nil || len(list) == 0 {
				return after, false, err
			}
			for _, d := range list {
				if _, err := job.Add(ctx, tx, d.Org, kind, Args{d.Schedule}, job.Options{Key: d.Schedule.String()}); err != nil {
					return after, false, err
				}
			}
			return list[len(list)-1], len(list) == watchAtOnce, nil
		}),
	}
}
