package restore

import (
	"context"

	"portico/shared/pg"
)

const entriesAtOnce = 1000

// setBack makes the chain end with the last entry that agrees. The entries after it wait
// for places, from the end on, so the chain is whole all the time.
func (w *work) setBack(ctx context.Context, p plan) error {
	above := p.kept.Number
	if p.lost {
		above = 0
	}
	for gone, all := int64(entriesAtOnce), int64(0); gone >= entriesAtOnce; {
		err := w.in(ctx, func(tx pg.Tx) (err error) {
			gone, err = w.unchain(ctx, tx, above)
			return err
		})
		if err != nil {
			return err
		}
		if all += gone; gone > 0 {
			w.Progress("%s: %d entries of the database wait for new numbers", w.log, all)
		}
		w.at("set back")
	}
	if !p.lost {
		return nil
	}
	return w.in(ctx, func(tx pg.Tx) error {
		return pg.Exec(ctx, tx, "restore.setBack", `UPDATE audit_head SET number = $2, hash = $3, first = $2::bigint + 1, hash_before = $3 WHERE org_id = $1`,
			w.id(), p.kept.Number, p.kept.Hash[:])
	})
}

func (w *work) unchain(ctx context.Context, tx pg.Tx, above int64) (gone int64, err error) {
	err = pg.Exec(ctx, tx, "restore.unchain", `SELECT set_config('app.erase_org', $1::uuid::text, true) FROM audit_head WHERE org_id = $1 FOR UPDATE`, w.id())
	if err != nil {
		return 0, err
	}
	gone, err = pg.Value[int64](ctx, tx, "restore.unchain", `
		WITH gone AS (
			DELETE FROM audit_chain WHERE org_id = $1 AND number > $2 AND number >= (
				SELECT min(number) FROM (SELECT number FROM audit_chain WHERE org_id = $1 AND number > $2 ORDER BY number DESC LIMIT $3) AS last)
			RETURNING entry_id
		), waits AS (
			INSERT INTO audit_unchained (org_id, entry_id) SELECT $1, entry_id FROM gone ON CONFLICT DO NOTHING
		)
		SELECT count(*) FROM gone`, w.id(), above, entriesAtOnce)
	if err != nil {
		return 0, err
	}
	return gone, pg.Exec(ctx, tx, "restore.unchain", `
		UPDATE audit_head h SET (number, hash) = (
			SELECT number, hash FROM (
				(SELECT number, hash FROM audit_chain WHERE org_id = $1 AND number >= h.first ORDER BY number DESC LIMIT 1)
				UNION ALL SELECT h.first - 1, h.hash_before) AS ends (number, hash)
			ORDER BY number DESC LIMIT 1)
		WHERE org_id = $1`, w.id())
}
