package job

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"portico/shared/pg"
)

// ListAll returns unfinished jobs of all organizations and of the platform, from
// every database, the newest first. It reads across the tenant wall, so it is for
// staff only.
func ListAll(ctx context.Context, db *pg.DB, f Filter, limit int) ([]Info, error) {
	var all []Info
	err := db.All().Each(func(_ string, q pg.Querier) error {
		list, err := pg.List[Info](ctx, q, "job.ListAll", `SELECT `+unfinishedColumns+` FROM list_jobs($1, $2, $3, $4, $5, $6) ORDER BY id DESC`,
			f.org(), f.Status, f.kinds(), f.Fingerprint, f.Before, limit)
		all = append(all, list...)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Info) int { return bytes.Compare(b.ID.UUID[:], a.ID.UUID[:]) })
	return all[:min(limit, len(all))], nil
}

// ListAllGroups returns the largest groups of dead jobs of all organizations and of
// the platform, up to 100 of each database. Of the filter the organization and the
// kinds count. It is for staff only, too.
func ListAllGroups(ctx context.Context, db *pg.DB, f Filter) ([]Group, error) {
	var all []Group
	err := db.All().Each(func(_ string, q pg.Querier) error {
		list, err := pg.List[Group](ctx, q, "job.ListAllGroups", `SELECT * FROM list_dead_jobs($1, $2)`, f.org(), f.kinds())
		for _, g := range list {
			all = merge(all, g)
		}
		return err
	})
	slices.SortStableFunc(all, func(a, b Group) int { return cmp.Or(b.Jobs-a.Jobs, cmp.Compare(a.Fingerprint, b.Fingerprint)) })
	return all, err
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
	return all
}
