package job

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/pg"
)

// Claim is a job leased to one runner: no other runner does it until the lease
// ends, and a result is written only under the current lease.
type Claim struct {
	Lane
	ID        id.Job
	Args      json.RawMessage
	Cursor    json.RawMessage // nil: none yet
	Attempts  int16           // tries that have failed
	Crashes   int16           // runners that have died while they did it
	UniqueKey *string
	CreatedBy string
	RequestID string
	Due       time.Time // when it could be claimed
	Lease     uuid.UUID
	// Apart: it is not to be done here, but in an invocation of its own.
	Apart bool
	// Cancelled: somebody has asked to end it.
	Cancelled bool
	// Restricted: a limit applies to its lane.
	Restricted bool

	claimed     time.Time // by the database's clock, as Due
	done, total int64
	note        string
}

// ScanRow reads what claimDue and start select.
func (c *Claim) ScanRow(row pgx.Rows) error {
	return row.Scan(&c.OrgID, &c.ID, &c.Kind, &c.Args, &c.Cursor, &c.Attempts, &c.Crashes, &c.UniqueKey, &c.CreatedBy, &c.RequestID,
		&c.Due, &c.claimed, &c.Apart, &c.Cancelled, &c.Restricted, &c.done, &c.total, &c.note)
}

// Leased is what the engine asks of a claim.
func (c Claim) Leased() claim.Leased[Lane] {
	return claim.Leased[Lane]{Lane: c.Lane, Due: c.Due, Retried: c.Attempts > 0 || c.Crashes > 0, Restricted: c.Restricted}
}

// limits are the limits of kinds as columns, for unnest. A limit of 0 is none.
type limits struct {
	kinds, throttles []string
	perOrg, inAll    []int32
}

func (l *limits) add(d declaration) {
	name := ""
	if d.throttle != nil {
		name = d.throttle.Name
	}
	l.kinds, l.throttles = append(l.kinds, d.name), append(l.throttles, name)
	l.perOrg, l.inAll = append(l.perOrg, int32(d.perOrg)), append(l.inAll, int32(d.inAll))
}

// lockAtMost is how long a claim of the queue high waits for a throttle.
const lockAtMost = 50 * time.Millisecond

// claimDue leases the due jobs of the turns, in the order of due_at and no more
// than the room of each lane. It takes no job whose kind is paused or at its limit,
// whose organization is moving or closed, or whose key runs already.
func claimDue(ctx context.Context, db *pg.Worker, queue Queue, kinds map[string]declaration, turns []claim.Turn[Lane], patience time.Duration) ([]Claim, error) {
	token := uuid.New()
	var orgs [][16]byte
	var rooms []int32
	var alone []bool
	var l limits
	for _, t := range turns {
		d, known := kinds[t.Lane.Kind]
		if !known {
			continue
		}
		l.add(d)
		orgs, rooms, alone = append(orgs, raw(t.Lane.OrgID)), append(rooms, int32(t.Room)), append(alone, d.alone)
	}
	if len(orgs) == 0 {
		return nil, nil
	}
	args := []any{queue, orgs, l.kinds, rooms, l.throttles, l.perOrg, l.inAll, alone, [16]byte(token), LeaseFor, maxCrashes}
	sql, all := claimSQL, args
	if queue == High {
		sql, all = patientClaimSQL, append(args, pg.LockTimeout(patience))
	}
	claims, err := pg.List[Claim](ctx, db, "job.claimDue", sql, all...)
	if pg.IsLockTimeout(err) { // then only the lanes of that throttle wait
		claims, err = pg.List[Claim](ctx, db, "job.claimDue", claimSQL, args...)
	}
	for i := range claims {
		claims[i].Lease = token
	}
	return claims, err
}

// claimSQL works in steps: wanted has the lanes that may be served; pace locks the
// throttles that they need, so that all processes together keep a rate; kinds and
// job_room count what runs, under a lock that only claims of limited lanes take;
// due selects and locks the due jobs of each lane; chosen are as many of them as
// the throttle and the kind have room for; spent moves the slots of the throttles.
// Rows that another claim has locked are skipped. The commit does not wait for the
// disk: if a crash of Postgres undoes a lease, the job is done again, which every
// kind allows, and its first runner loses the fence.
//
// The rows are found again by a condition that no merge join can use, so that a plan
// made for an empty table does not read the whole of a full one (ADR 21).
//
// A lease that ended after its work had begun counts as a crash. A job that has
// taken a runner down is handed over to an invocation of its own, as are those of
// kinds that are alone; its work has not begun.
const claimSQL = toPaceSQL + `
		FOR UPDATE OF h SKIP LOCKED` + fromPaceSQL

// patientClaimSQL is claimSQL for the queue for which people wait. It waits for the
// throttles, each of which another claim locks for one statement: a mailing in the queue
// bulk claims all the time, and a runner that skips the throttle looks again only later.
const patientClaimSQL = toPaceSQL + ` CROSS JOIN (SELECT set_config('lock_timeout', $12, true)) AS patient
		ORDER BY h.name FOR UPDATE OF h` + fromPaceSQL

const toPaceSQL = `
	WITH wanted AS MATERIALIZED (
		SELECT n.now, t.org_id, t.kind, t.room, nullif(t.throttle, '') AS throttle, t.alone, t.position,
			coalesce(k.per_org, nullif(t.per_org, 0)) AS per_org, coalesce(k.in_all, nullif(t.in_all, 0)) AS in_all
		FROM (SELECT set_config('synchronous_commit', 'off', true), portico_now() AS now) AS n
		CROSS JOIN unnest($2::uuid[], $3::text[], $4::integer[], $5::text[], $6::integer[], $7::integer[], $8::boolean[]) WITH ORDINALITY
			AS t (org_id, kind, room, throttle, per_org, in_all, alone, position)
		LEFT JOIN job_kind k ON k.kind = t.kind
		WHERE k.paused_at IS NULL
			AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = t.org_id AND p.until > n.now)
			AND NOT EXISTS (SELECT FROM organization o WHERE o.id = t.org_id AND o.deleted_at IS NOT NULL)
	), pace AS MATERIALIZED (
		SELECT h.name, h.per_second, h.burst, h.blocked_until, greatest(h.next_slot, w.now) AS slot, greatest(h.bulk_slot, w.now) AS bulk_slot, w.now
		FROM (SELECT DISTINCT throttle, now FROM wanted WHERE throttle IS NOT NULL) w JOIN job_throttle h ON h.name = w.throttle`

const fromPaceSQL = `
	), allowance AS MATERIALIZED (
		SELECT name, CASE WHEN blocked_until > now THEN 0 ELSE least(
			floor(burst - extract(epoch FROM slot - now) * per_second + 0.001),
			CASE WHEN $1 = 'bulk' THEN floor(greatest(burst * 0.8, 1) - extract(epoch FROM bulk_slot - now) * per_second * 0.8 + 0.001) END) END::integer AS room
		FROM pace
	), kinds AS MATERIALIZED (
		SELECT kind, job_room(NULL, kind, min(in_all)) AS room FROM wanted WHERE in_all IS NOT NULL GROUP BY kind ORDER BY kind
	), turn AS MATERIALIZED (
		SELECT w.*, k.room AS kind_room, CASE WHEN w.throttle IS NOT NULL THEN coalesce(a.room, 0) END AS pace_room,
			CASE WHEN w.per_org IS NOT NULL THEN job_room(w.org_id, w.kind, w.per_org) END AS org_room
		FROM wanted w LEFT JOIN kinds k ON k.kind = w.kind LEFT JOIN allowance a ON a.name = w.throttle
	), due AS MATERIALIZED (
		SELECT t.now, t.throttle, t.kind_room, t.pace_room, t.alone, t.position, t.per_org IS NOT NULL OR t.in_all IS NOT NULL AS counted, d.*
		FROM turn t CROSS JOIN LATERAL (
			SELECT j.org_id, j.id, j.kind, j.due_at, j.crashes + (j.started_at IS NOT NULL)::integer AS crashes FROM job j
			WHERE j.queue = $1 AND j.org_id = t.org_id AND j.kind = t.kind AND j.status = 'pending' AND j.due_at <= t.now
				AND (j.unique_key IS NULL OR j.lease IS NOT NULL OR NOT EXISTS (SELECT FROM job r
					WHERE r.org_id = j.org_id AND r.kind = j.kind AND r.unique_key = j.unique_key AND r.lease IS NOT NULL))
			ORDER BY j.due_at LIMIT greatest(least(t.room, t.org_room, t.kind_room, t.pace_room), 0)
			FOR UPDATE SKIP LOCKED
		) d
	), chosen AS MATERIALIZED (
		SELECT * FROM (
			SELECT *, row_number() OVER (PARTITION BY kind ORDER BY due_at, position) AS of_kind,
				row_number() OVER (PARTITION BY throttle ORDER BY due_at, position) AS of_throttle
			FROM due) n
		WHERE (kind_room IS NULL OR of_kind <= kind_room) AND (pace_room IS NULL OR of_throttle <= pace_room)
	), spent AS (
		UPDATE job_throttle h SET
			next_slot = p.slot + n.claimed * interval '1 second' / p.per_second,
			bulk_slot = CASE WHEN $1 = 'bulk' THEN p.bulk_slot + n.claimed * interval '1 second' / (p.per_second * 0.8) ELSE h.bulk_slot END
		FROM pace p JOIN (SELECT throttle, count(*) AS claimed FROM chosen GROUP BY throttle) n ON n.throttle = p.name
		WHERE h.name = p.name
	)
	UPDATE job j SET lease = $9, counted = c.counted, crashes = c.crashes,
		started_at = CASE WHEN c.apart THEN NULL ELSE c.now END,
		due_at = c.now + $10::interval
	FROM (SELECT *, crashes < $11 AND (alone OR crashes > 0) AS apart FROM chosen) c
	WHERE j.org_id = ANY (ARRAY[c.org_id]) AND j.id = c.id
	RETURNING j.org_id, j.id, j.kind, j.args, j.cursor, j.attempts, j.crashes, j.unique_key, coalesce(j.created_by, ''), j.request_id,
		c.due_at, c.now, c.apart, j.cancel_requested_at IS NOT NULL, c.counted OR c.throttle IS NOT NULL, j.progress_done, j.progress_total, j.progress_note`

// await makes the lease of a job that was handed over last until the message should
// have arrived, even if the queue is full. If the job was taken over already, nothing
// happens.
func await(ctx context.Context, db *pg.Worker, c Claim) error {
	return pg.Exec(ctx, db, "job.await", `
		UPDATE job SET due_at = portico_now() + $4 WHERE org_id = $1 AND id = $2 AND lease = $3 AND started_at IS NULL`,
		raw(c.OrgID), c.ID, [16]byte(c.Lease), handOverFor)
}

// start takes over a job that was handed over to this invocation. It returns errLost
// if the lease has ended or the job was taken over already.
func start(ctx context.Context, db *pg.Worker, org id.Org, jobID id.Job, lease uuid.UUID) (Claim, error) {
	c, err := pg.One[Claim](ctx, db, "job.start", errLost, `
		UPDATE job SET started_at = portico_now(), due_at = portico_now() + $4
		WHERE org_id = $1 AND id = $2 AND lease = $3 AND started_at IS NULL
		RETURNING org_id, id, kind, args, cursor, attempts, crashes, unique_key, coalesce(created_by, ''), request_id,
			portico_now(), portico_now(), false, cancel_requested_at IS NOT NULL, counted, progress_done, progress_total, progress_note`,
		raw(org), jobID, [16]byte(lease), LeaseFor)
	c.Lease = lease
	return c, err
}
