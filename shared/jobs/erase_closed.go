package jobs

import (
	"context"
	"errors"
	"fmt"

	"portico/shared/org"
)

// eraseClosed erases the organizations that were closed. One that cannot be
// erased keeps no other from it, and is tried again by the next upkeep. One that
// moved to another database has left closed rows behind, and is not closed
// where it lives: it is left alone.
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
