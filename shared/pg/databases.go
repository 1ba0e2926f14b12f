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

// Databases has one value for each database, such as its connections, by the
// database's name. All loops over databases are in this type.
type Databases[T any] map[string]T

// Names returns the databases' names, home first.
func (d Databases[T]) Names() []string {
	names := slices.Sorted(maps.Keys(d))
	if i := slices.Index(names, Home); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, Home)
	}
	return names
}

// At returns the value of one database.
func (d Databases[T]) At(database string) (T, error) {
	of, ok := d[database]
	if !ok {
		return of, fmt.Errorf("DATABASES does not name %q", database)
	}
	return of, nil
}

// Each calls do for every database, home first. If it fails for one, it is still
// called for the others.
func (d Databases[T]) Each(do func(database string, of T) error) error {
	var failed error
	for _, name := range d.Names() {
		if err := do(name, d[name]); err != nil {
			failed = errors.Join(failed, fmt.Errorf("database %s: %w", name, err))
		}
	}
	return failed
}

// Make calls make for each database and returns the results, without those of
// failed calls.
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

// All returns what Shared returns, for every database.
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

// Search asks one database after the other, home first, until the answer is not
// zero. An error ends the search, because the value may be in the database that
// failed.
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

// InOrgEverywhere runs fn in a transaction bound to org in every database, also
// where the organization does not live and has only left rows behind. It is for
// erasing only.
func (d *DB) InOrgEverywhere(ctx context.Context, org id.Org, fn func(Tx) error) error {
	return d.pools.Each(func(name string, _ *pgxpool.Pool) error {
		return d.run(ctx, &orgTx{db: d, org: org, anyDatabase: true, database: name}, fn, nil)
	})
}
