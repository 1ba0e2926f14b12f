package kinds

import (
	"context"

	"portico/shared/pg"
)

// CopyTo is the part of a copying job that writes.
func (o Override) CopyTo(ctx context.Context, tx pg.Tx) error { return o.copyTo(ctx, tx) }
