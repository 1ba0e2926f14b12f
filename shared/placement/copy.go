package placement

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"

	"portico/shared/pg"
)

// rowsAtOnce bounds the rows of one transaction and of a temporary table.
const rowsAtOnce = 5000

const tellEvery = 100_000 // rows

// copyRest copies the rows that were added or changed since the horizon, and the
// tables that are copied only while writers are stopped; then it compares the
// counts. It reads everything in one snapshot.
func (v *move) copyRest(ctx context.Context, horizon uint32) error {
	changed := fmt.Sprintf(`age(xmin) <= age('%d'::xid)`, horizon)
	return v.from.InOrg(ctx, pgx.RepeatableRead, func(tx pgx.Tx) error {
		for _, t := range v.tables {
			if !t.ahead {
				if err := v.copyRows(ctx, tx, t); err != nil {
					return err
				}
				continue
			}
			if err := v.copyPart(ctx, tx, t, t.where+" AND "+changed, ""); err != nil {
				return err
			}
		}
		return v.compare(ctx, tx)
	})
}

// copyTable copies a table while it is written to.
func (v *move) copyTable(ctx context.Context, t table) error {
	return v.from.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		// Read the parts in the order of the index: to sort all remaining rows
		// for each part would take quadratic time.
		if _, err := tx.Exec(ctx, `SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off`); err != nil {
			return err
		}
		return v.copyRows(ctx, tx, t)
	})
}

// copyRows copies a table's rows of the organization in the order of its key.
func (v *move) copyRows(ctx context.Context, tx pgx.Tx, t table) error {
	after := ""
	for {
		where := t.where
		if after != "" {
			where += fmt.Sprintf(" AND (%s) > (%s)", t.orderBy(), after)
		}
		last, err := t.bound(ctx, tx, where)
		if err != nil {
			return err
		}
		if last != "" {
			where += fmt.Sprintf(" AND (%s) <= (%s)", t.orderBy(), last)
		}
		before := v.done.Rows
		if err := v.copyPart(ctx, tx, t, where, " ORDER BY "+t.orderBy()); err != nil || last == "" {
			return err
		}
		if after = last; v.done.Rows/tellEvery > before/tellEvery {
			v.Progress("%d rows are copied", v.done.Rows)
		}
	}
}

// bound returns the key of the last row of the next part, as literals; "" if the
// remaining rows are the last part.
func (t table) bound(ctx context.Context, tx pgx.Tx, where string) (string, error) {
	texts := make([]string, len(t.order()))
	for i, k := range t.order() {
		texts[i] = k + "::text"
	}
	found, err := pg.List[[]string](ctx, tx, "placement.bound", fmt.Sprintf(`SELECT ARRAY[%s] FROM %s WHERE %s ORDER BY %s OFFSET %d LIMIT 1`,
		strings.Join(texts, ", "), t.Name, where, t.orderBy(), rowsAtOnce-1))
	if err != nil || len(found) == 0 {
		return "", err
	}
	for i, text := range found[0] {
		found[0][i] = "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return strings.Join(found[0], ", "), nil
}

// copyPart streams rows from one database into the other. With row-level security
// COPY can read a table but not write it, so the rows are first written to a
// temporary table.
func (v *move) copyPart(ctx context.Context, from pgx.Tx, t table, where, order string) error {
	columns := strings.Join(t.Columns, ", ")
	reader, writer := io.Pipe()
	read := make(chan error, 1)
	go func() {
		_, err := from.Conn().PgConn().CopyTo(ctx, writer, fmt.Sprintf(`COPY (SELECT %s FROM %s WHERE %s%s) TO STDOUT (FORMAT binary)`, columns, t.Name, where, order))
		_ = writer.CloseWithError(err)
		read <- err
	}()
	err := v.to.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf(`CREATE TEMP TABLE part ON COMMIT DROP AS SELECT %s FROM %s WITH NO DATA`, columns, t.Name)); err != nil {
			return err
		}
		if _, err := tx.Conn().PgConn().CopyFrom(ctx, reader, `COPY part FROM STDIN (FORMAT binary)`); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, t.insert(columns))
		v.done.Rows += int(tag.RowsAffected())
		return err
	})
	_ = reader.CloseWithError(io.ErrClosedPipe) // otherwise the source would wait forever if the target failed
	if failed := <-read; err == nil {
		err = failed
	}
	if t.users && pg.IsUniqueViolation(err) {
		err = fmt.Errorf("a member's e-mail address belongs to another user in %s, who was added at the same time: %w", v.done.To, err)
	}
	if err != nil {
		return fmt.Errorf("placement: %s: %w", t.Name, err)
	}
	return nil
}

func (t table) insert(columns string) string {
	values := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		values[i] = "excluded." + c
	}
	// *<> compares bytes and works for types without an equality operator.
	conflict := fmt.Sprintf(`DO UPDATE SET (%s) = ROW (%s) WHERE ROW (%s)::record *<> ROW (%s)::record`, columns, strings.Join(values, ", "),
		"t."+strings.Join(t.Columns, ", t."), strings.Join(values, ", "))
	if t.users {
		conflict = "DO NOTHING" // the database has the same user already
	}
	return fmt.Sprintf(`INSERT INTO %s AS t (%s) SELECT %s FROM part ON CONFLICT (%s) %s`, t.Name, columns, columns, t.key(), conflict)
}

// compare returns an error if the two databases have different numbers of rows in
// a table. A table that was copied ahead may have more rows in the copy: expired
// rows that were deleted in the source since.
func (v *move) compare(ctx context.Context, from pgx.Tx) error {
	for _, t := range v.tables {
		if t.users {
			continue
		}
		var there, here int
		count := fmt.Sprintf(`SELECT count(*) FROM %s WHERE %s`, t.Name, t.where)
		counted := make(chan error, 1)
		go func() { counted <- from.QueryRow(ctx, count).Scan(&there) }()
		err := v.to.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error { return tx.QueryRow(ctx, count).Scan(&here) })
		if err := errors.Join(err, <-counted); err != nil {
			return err
		}
		if here < there || here > there && !t.ahead {
			return fmt.Errorf("placement: %s has %d rows in %s and %d in %s", t.Name, there, v.done.From, here, v.done.To)
		}
	}
	return nil
}
