package jobs

import (
	"context"
	"errors"
	"fmt"

	"portico/shared/org"
)

// eraseClosed erases the closed organizations. If one cannot be erased, the
// others still are, and the next upkeep tries again. An organization that moved
// may be marked as closed in the old database only, but not where it lives: it is
// skipped.
func (u *Upkeep) eraseClosed(ctx context.Context, m *Maintained) error {
	closed, err := org.Closed(ctx, u.DB, settled)
	if err != nil {
		return err
	}
	var failed error
	for _, own := range closed {
		_, err := u.Deleter.erase(ctx, own)
		switch {
		case errors.Is(err, org.ErrNotFound):
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("jobs.eraseClosed: %s: %w", own, err))
		default:
			m.OrganizationsErased++
		}
	}
	return failed
}
