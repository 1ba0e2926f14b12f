package schedule

import (
	"context"

	"portico/shared/pg"
)

// CopyTo is the part of a copying job that writes.
func (s Schedule) CopyTo(ctx context.Context, tx pg.Tx) error { return s.copyTo(ctx, tx, "staff_x") }
