package pg

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// The functions here run one statement. caller is the name of the calling
// function, such as webhook.ListHolding: error messages start with it. A row is
// read into a T: a struct with a field for each column name, a type that reads
// its row itself (pgx.RowScanner), or the value of a single column.

// List returns the rows of a query.
func List[T any](ctx context.Context, q Querier, caller, sql string, args ...any) ([]T, error) {
	var list []T
	rows, err := q.Query(ctx, sql, args...)
	if err == nil {
		list, err = pgx.CollectRows(rows, rowTo[T]())
	}
	return list, during(caller, err)
}

// One returns the row of a query that has at most one row. If there is no row, it
// returns the error none.
func One[T any](ctx context.Context, q Querier, caller string, none error, sql string, args ...any) (T, error) {
	var one T
	rows, err := q.Query(ctx, sql, args...)
	if err == nil {
		one, err = pgx.CollectExactlyOneRow(rows, rowTo[T]())
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return one, none
	}
	return one, during(caller, err)
}

// Value returns the row of a query that always has exactly one row.
func Value[T any](ctx context.Context, q Querier, caller, sql string, args ...any) (T, error) {
	return One[T](ctx, q, caller, during(caller, pgx.ErrNoRows), sql, args...)
}

// Exec runs a statement.
func Exec(ctx context.Context, q Querier, caller, sql string, args ...any) error {
	_, err := q.Exec(ctx, sql, args...)
	return during(caller, err)
}

// Affect runs a statement and returns how many rows it wrote, deleted or locked.
func Affect(ctx context.Context, q Querier, caller, sql string, args ...any) (int64, error) {
	tag, err := q.Exec(ctx, sql, args...)
	return tag.RowsAffected(), during(caller, err)
}

// Into reads the rows of a query in a batch.
func Into[T any](list *[]T) func(pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*list, err = pgx.CollectRows(rows, rowTo[T]())
		return err
	}
}

// IntoOne reads the row of a query in a batch, or returns pgx.ErrNoRows.
func IntoOne[T any](one *T) func(pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*one, err = pgx.CollectExactlyOneRow(rows, rowTo[T]())
		return err
	}
}

func during(caller string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", caller, err)
}

func rowTo[T any]() pgx.RowToFunc[T] {
	switch any(new(T)).(type) {
	case pgx.RowScanner, pgtype.UUIDScanner, *time.Time:
		return pgx.RowTo[T]
	}
	if reflect.TypeFor[T]().Kind() == reflect.Struct {
		return pgx.RowToStructByName[T]
	}
	return pgx.RowTo[T]
}
