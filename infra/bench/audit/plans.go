package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/pg"
)

// explaining asks for the plan of a query instead of its rows.
type explaining struct {
	pg.Tx
	plan *string
}

var errExplained = errors.New("explained")

func (e explaining) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := e.Tx.Query(ctx, "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) "+sql, args...)
	if err != nil {
		return nil, err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	*e.plan = strings.Join(lines, "\n")
	return nil, errExplained
}

// writePlans writes the plan of each list to a file, if one was named.
func (b *bed) writePlans(ctx context.Context) error {
	if b.Plans == "" {
		return nil
	}
	var out strings.Builder
	for _, l := range lists {
		f := l.filter
		if l.hour {
			f.Since, f.Until = middleHour()
		}
		var plan string
		err := b.app.InOrg(ctx, b.org, func(tx pg.Tx) error {
			_, _, err := audit.List(ctx, explaining{tx, &plan}, b.org, f, 51)
			return err
		})
		if !errors.Is(err, errExplained) {
			return fmt.Errorf("the plan of %s: %w", l.what, err)
		}
		fmt.Fprintf(&out, "%s\n\n%s\n\n", l.what, plan)
	}
	return os.WriteFile(b.Plans, []byte(out.String()), 0o600)
}
