package job

import (
	"context"

	"portico/shared/pg"
)

// Pause lets no job of a kind start in the transaction's database, until by resumes it
// or staff do. A pause of somebody else stays as it is.
func Pause(ctx context.Context, tx pg.Tx, kind, by, why string) error {
	return pg.Exec(ctx, tx, "job.Pause", `
		INSERT INTO job_kind AS k (kind, paused_at, paused_by, pause_reason) VALUES ($1, portico_now(), $2, $3)
		ON CONFLICT (kind) DO UPDATE SET paused_at = coalesce(k.paused_at, portico_now()), paused_by = $2, pause_reason = $3, updated_at = portico_now()
		WHERE k.paused_at IS NULL OR k.paused_by = $2`, kind, by, why)
}

// Resume ends a pause by the same one.
func Resume(ctx context.Context, tx pg.Tx, queue Queue, kind, by string) error {
	resumed, err := pg.Affect(ctx, tx, "job.Resume", `
		UPDATE job_kind SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, updated_at = portico_now() WHERE kind = $1 AND paused_by = $2`, kind, by)
	if resumed > 0 {
		LookAgain(tx, queue)
	}
	return err
}
