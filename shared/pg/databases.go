package pg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"portico/shared/id"
)

// Databases holds what there is of each database, such as its connections, by
// the database's name. Nobody else goes through the databases one by one.
type Databases[T any] map[string]T

// Names returns the databases' names, home first.
func (d Databases[T]) Names() []string {
	names := slices.Sorted(maps.Keys(d))
	if i := slices.Index(names, Home); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, Home)
	}
	return names
}

// At returns what there is of one database.
func (d Databases[T]) At(database string) (T, error) {
	of, ok := d[database]
	if !ok {
		return of, fmt.Errorf("DATABASES does not name %q", database)
	}
	return of, nil
}

// Each does the same for every database, home first. One that is away does not
// keep the others from theirs.
func (d Databases[T]) Each(do func(database string, of T) error) error {
	var failed error
	for _, name := range d.Names() {
		if err := do(name, d[name]); err != nil {
			failed = errors.Join(failed, fmt.Errorf("database %s: %w", name, err))
		}
	}
	return failed
}

// Make returns what make makes for each database, without those that failed.
func Make[T, U any](d Databases[T], make func(database string, of T) (U, error)) (Databases[U], error) {
	made := Databases[U]{}
	err := d.Each(func(name string, of T) error {
		one, err := make(name, of)
		if err == nil {
			made[name] = one
		}
		return err
	})
	return made, err
}

// All returns what Shared is, of every database.
func (d *DB) All() Databases[Querier] {
	all := Databases[Querier]{}
	for name, pool := range d.pools {
		all[name] = pool
	}
	return all
}

// Others is All without home.
func (d *DB) Others() Databases[Querier] {
	others := d.All()
	delete(others, Home)
	return others
}

// Search asks one database after the other, home first, until one answers with
// a value that is not zero. One that is away may have it, so it ends the search.
func Search[T comparable](ctx context.Context, d Databases[Querier], caller, sql string, args ...any) (found T, err error) {
	var none T
	for _, name := range d.Names() {
		found, err = Value[T](ctx, d[name], caller+": database "+name, sql, args...)
		if err != nil || found != none {
			break
		}
	}
	return found, err
}

// InOrgEverywhere runs fn in a transaction bound to org in every database,
// whether the organization lives there or has left rows behind: only erasing may
// do so.
func (d *DB) InOrgEverywhere(ctx context.Context, org id.Org, fn func(Tx) error) error {
	return d.pools.Each(func(name string, _ *pgxpool.Pool) error {
		return d.run(ctx, &orgTx{db: d, org: org, anyDatabase: true, database: name}, fn, nil)
	})
}
