package job

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// readAtMost bounds how many jobs of each database a list reads, so that a rare
// status among many jobs costs no more than some milliseconds.
const readAtMost = 10_000

// Place is a job's place in the lists of staff: by organization, the newest job first.
type Place struct {
	Org id.Org
	ID  id.Job
}

func (p Place) compare(o Place) int {
	return cmp.Or(bytes.Compare(p.Org.UUID[:], o.Org.UUID[:]), bytes.Compare(p.ID.UUID[:], o.ID.UUID[:]))
}

// last is the place before every other one.
var last = [16]byte(bytes.Repeat([]byte{0xff}, 16))

// StaffFilter selects jobs for staff. Empty fields select all.
type StaffFilter struct {
	Filter
	Queue        Queue
	Since, Until time.Time // when it was added; Until is exclusive
	After        *Place    // only jobs behind this one; nil: all
}

// from returns the first place that is not in the list, and the last organization
// that is.
func (f StaffFilter) from() (org, jobID, to [16]byte) {
	org, jobID = last, last
	if f.Org != nil {
		org, to = raw(*f.Org), raw(*f.Org)
	}
	if f.After != nil {
		org, jobID = raw(f.After.Org), [16]byte(f.After.ID.UUID)
	}
	return org, jobID, to
}

// listed is a row of list_jobs or list_finished_jobs.
type listed struct {
	Info
	Matches bool // false: it only says how far was read
	Ends    bool // no more were read behind it
}

func (l listed) place() Place { return Place{l.OrgID, l.ID} }

// ListAll returns jobs of all organizations and of the platform, from every database:
// by organization, the newest first. If there may be more behind those, read is how
// far it has read. It reads across the tenant wall, so it is for staff only.
func ListAll(ctx context.Context, db *pg.DB, f StaffFilter, limit int) (jobs []Info, read *Place, err error) {
	org, jobID, to := f.from()
	args := []any{org, jobID, to, f.Status, f.Queue, f.kinds(), timeOf(f.Since), timeOf(f.Until), limit, readAtMost}
	sql := finishedColumns + `, matches, ends FROM (SELECT (l.found).*, l.matches, l.ends FROM list_finished_jobs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) l) j`
	if !f.Status.IsFinished() {
		sql = unfinishedColumns + `, matches, ends FROM (SELECT (l.found).*, l.matches, l.ends FROM list_jobs($1, $2, $3, $4, $5, $6, $11, $7, $8, $9, $10) l) j`
		args = append(args, f.Fingerprint)
	}
	var all []listed
	if f.Status.IsFinished() && f.Fingerprint != "" {
		return nil, nil, nil // a finished job has none
	}
	err = db.All().Each(func(_ string, q pg.Querier) error {
		list, err := pg.List[listed](ctx, q, "job.ListAll", `SELECT `+sql, args...)
		all = append(all, list...)
		return err
	})
	slices.SortStableFunc(all, func(a, b listed) int { return b.place().compare(a.place()) })
	// What one database has not read yet comes before what others have behind that.
	if i := slices.IndexFunc(all, func(l listed) bool { return l.Ends }); i >= 0 {
		read = new(all[i].place())
		all = all[:i+1]
	}
	for _, l := range all {
		if l.Matches && len(jobs) < limit {
			jobs = append(jobs, l.Info)
		}
	}
	return jobs, read, err
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Group is dead jobs that failed in the same way.
type Group struct {
	Fingerprint   string
	Kind          string
	ErrorCode     string
	LastError     string // of the newest
	Jobs          int
	Organizations int
	Oldest        id.Job
	Newest        id.Job
	FirstAt       time.Time // when the first and the last of them died
	LastAt        time.Time
}

// GroupsPlace is how far groups were read.
type GroupsPlace struct {
	Database string
	Place
}

// ListGroups returns groups of dead jobs of all organizations and of the platform, the
// largest first. It reads one database after the other, a bounded number of jobs of
// each, and up to 100 groups of that. read is how far it has read; nil: to the end.
// Of the filter the organization and the kinds count. It is for staff only, too.
func ListGroups(ctx context.Context, db *pg.DB, f Filter, after *GroupsPlace) (groups []Group, read *GroupsPlace, err error) {
	names, place := db.All().Names(), (*Place)(nil)
	if after != nil {
		names, place = names[max(0, slices.Index(names, after.Database)):], &after.Place
	}
	for _, name := range names {
		org, jobID, to := StaffFilter{Filter: f, After: place}.from()
		list, err := pg.List[grouped](ctx, db.All()[name], "job.ListGroups", `
			SELECT coalesce(fingerprint, '') AS fingerprint, coalesce(kind, '') AS kind, coalesce(error_code, '') AS error_code, coalesce(last_error, '') AS last_error,
				jobs, organizations, oldest, newest, newest_org, first_at, last_at, jobs = 0 AS ends
			FROM list_dead_jobs($1, $2, $3, $4, $5)`, org, jobID, to, f.kinds(), readAtMost)
		if err != nil {
			return nil, nil, err
		}
		for _, g := range list {
			if g.Ends {
				read = &GroupsPlace{name, Place{g.NewestOrg, g.Newest}}
				continue
			}
			groups = merge(groups, g.Group)
		}
		if place = nil; read != nil {
			break
		}
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return cmp.Or(b.Jobs-a.Jobs, cmp.Compare(a.Fingerprint, b.Fingerprint)) })
	return groups, read, nil
}

// grouped is a row of list_dead_jobs.
type grouped struct {
	Group
	NewestOrg id.Org
	Ends      bool // it only says how far was read
}

// merge adds a group of another database to the groups.
func merge(all []Group, g Group) []Group {
	i := slices.IndexFunc(all, func(o Group) bool {
		return o.Fingerprint == g.Fingerprint && o.Kind == g.Kind && o.ErrorCode == g.ErrorCode
	})
	if i < 0 {
		return append(all, g)
	}
	a := &all[i]
	a.Jobs, a.Organizations = a.Jobs+g.Jobs, a.Organizations+g.Organizations
	if bytes.Compare(g.Oldest.UUID[:], a.Oldest.UUID[:]) < 0 {
		a.Oldest = g.Oldest
	}
	if bytes.Compare(g.Newest.UUID[:], a.Newest.UUID[:]) > 0 {
		a.Newest, a.LastError = g.Newest, g.LastError
	}
	if g.FirstAt.Before(a.FirstAt) {
		a.FirstAt = g.FirstAt
	}
	if g.LastAt.After(a.LastAt) {
		a.LastAt = g.LastAt
	}
	return all
}
