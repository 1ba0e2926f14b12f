package stream

import (
	"context"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// WatchName is the name of Watch.
const WatchName = "audit_stream.watch"

// watchAtOnce is how many organizations one step of Watch wakes.
const watchAtOnce = 1000

// Watch wakes the streams that are behind. They have a job, unless it is dead because its
// runners died; then the next entry of the log wakes the stream, or else this does. It
// runs once a day in each database.
var Watch = job.Kind[struct{}]{Name: WatchName, Queue: job.Bulk, Platform: true, Work: job.Steps(watch)}

func watch(ctx context.Context, tx pg.Tx, _ job.Job, _ struct{}, after id.Org) (next id.Org, more bool, err error) {
	orgs, err := pg.List[id.Org](ctx, tx, "stream.watch", `
		SELECT DISTINCT o.org_id FROM audit_stream o JOIN audit_head h ON h.org_id = o.org_id
		WHERE o.org_id > $1 AND (o.test_id IS NOT NULL OR o.status = 'enabled' AND (o.reached < h.number OR o.replay_reached < o.replay_to))
			AND NOT EXISTS (SELECT FROM placement m WHERE m.org_id = o.org_id AND m.until > portico_now())
			AND NOT EXISTS (SELECT FROM organization c WHERE c.id = o.org_id AND c.deleted_at IS NOT NULL)
		ORDER BY o.org_id LIMIT $2`, [16]byte(after.UUID), watchAtOnce)
	if err != nil || len(orgs) == 0 {
		return after, false, err
	}
	return orgs[len(orgs)-1], len(orgs) == watchAtOnce, Wake(ctx, tx, orgs)
}
