package jobs

import (
	"context"
	"errors"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/org"
	"portico/shared/pg"
)

const eraseClosedKind = "organization.erase_closed"

// eraseClosed adds a job for each closed organization of the database.
func (k Kinds) eraseClosed() job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: eraseClosedKind, Queue: job.Bulk, Platform: true,
		Work: job.InTx(func(ctx context.Context, tx pg.Tx, _ job.Job, _ struct{}) error {
			closed, err := org.Closed(ctx, tx, settled)
			if err != nil {
				return err
			}
			list := make([]job.New[erasing], len(closed))
			for i, own := range closed {
				list[i] = job.New[erasing]{Args: erasing{own}, Options: job.Options{Key: own.String()}}
			}
			_, err = job.AddAll(ctx, tx, id.Org{}, k.erase(), list)
			return err
		}),
	}
}

// erasing names the organization to erase.
type erasing struct {
	Organization id.Org `json:"organization"`
}

// erase erases one closed organization. If it ends early, the next try continues.
// An organization that moved may be marked as closed in the old database only, but
// not where it lives: it is left.
func (k Kinds) erase() job.Kind[erasing] {
	return job.Kind[erasing]{
		Name: "organization.erase", Queue: job.Bulk, Platform: true, Unique: job.Waits, Timeout: 14 * time.Minute, InAll: 2,
		Work: job.Call(func(ctx context.Context, _ job.Job, e erasing) (struct{}, error) {
			_, err := k.Deleter.erase(ctx, e.Organization)
			if errors.Is(err, org.ErrNotFound) {
				err = nil
			}
			return struct{}{}, err
		}, nil),
	}
}
