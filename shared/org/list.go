package org

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Filter chooses organizations of a list.
type Filter struct {
	NameStarts string // in capitals or not; "": any
	// CreatedAt and ID are those of the last organization on the previous page;
	// zero: the first page.
	CreatedAt time.Time
	ID        id.Org
}

// List returns up to limit organizations that are not closed, newest first, from
// every database. It reads across the tenant wall, so it is for staff only. A
// search for a name that no organization has reads all of them.
func List(ctx context.Context, db *pg.DB, f Filter, limit int) ([]Organization, error) {
	var all []Organization
	err := db.All().Each(func(_ string, shared pg.Querier) error {
		list, err := listIn(ctx, shared, f, limit)
		all = append(all, list...)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Organization) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), bytes.Compare(b.ID.UUID[:], a.ID.UUID[:]))
	})
	return all[:min(limit, len(all))], nil
}

func listIn(ctx context.Context, db pg.Querier, f Filter, limit int) ([]Organization, error) {
	var before *time.Time
	if !f.ID.IsZero() {
		before = &f.CreatedAt
	}
	return pg.List[Organization](ctx, db, "org.List", `SELECT `+columns+` FROM list_organizations($1, $2, $3, $4)`, before, f.ID, f.NameStarts, limit)
}
