package redrive

import (
	"context"

	"portico/shared/id"
	"portico/shared/pg"
)

// Find reads and counts the dead jobs that a redrive finds first.
func Find(ctx context.Context, tx pg.Tx, org id.Org, a Args) error {
	if _, err := read(ctx, tx, org, a, id.Job{}); err != nil {
		return err
	}
	_, err := count(ctx, tx, org, a)
	return err
}
