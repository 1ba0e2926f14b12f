package dispatching

// claimRestrictedSQL claims from endpoints with a rate limit or an open breaker; a
// delivery that they forbid is never leased. It works in steps: turn computes how
// many deliveries each endpoint may get now, due selects them, spent updates the
// lane with the rate and the breaker that they used. The lanes are locked, so that
// two dispatchers together keep the limit and send one probe; a lane that another
// dispatcher has locked is skipped. If the restriction has ended since claimOneSQL
// saw it, the endpoint is served like any other.
//
// The rate limit is the generic cell rate algorithm with a tolerance of 0.1 s or
// one delivery, whichever is more: no second has more deliveries than the limit
// plus that tolerance. Dropped and expired deliveries are never sent, so they do not count
// against the rate limit and cannot be a probe. While the oldest due delivery of an
// endpoint is a dropped one, its turn takes dropped deliveries only.
const claimRestrictedSQL = `
	WITH wanted AS MATERIALIZED (
		SELECT t.*, unsynced.now, e.revision, l.failures > 0 OR l.told AS troubled, e.rate_limit, e.dropped_before, e.deleted_at IS NULL AND (e.rate_limit IS NOT NULL OR l.open_until IS NOT NULL) AS restricted
		FROM (SELECT set_config('synchronous_commit', 'off', true), portico_now() AS now) AS unsynced
		CROSS JOIN unnest($1::uuid[], $2::uuid[], $3::integer[]) AS t (org_id, endpoint_id, room)
		JOIN webhook_endpoint e ON e.org_id = t.org_id AND e.id = t.endpoint_id AND (e.status = 'enabled' OR e.deleted_at IS NOT NULL)
		JOIN webhook_lane l ON l.org_id = t.org_id AND l.endpoint_id = t.endpoint_id
		WHERE NOT EXISTS (SELECT FROM placement p WHERE p.org_id = t.org_id AND p.until > unsynced.now)
	), gate AS MATERIALIZED (
		SELECT w.now, w.org_id, w.endpoint_id, w.room, w.revision, w.troubled, w.rate_limit, w.dropped_before, l.open_until IS NOT NULL AS probe,
			greatest(l.next_slot, w.now) AS slot,
			coalesce((
				SELECT greatest(d.event_id, uuid_floor(d.redelivered_at)) < w.dropped_before IS TRUE OR d.expires_at <= w.now IS TRUE FROM webhook_delivery d
				WHERE d.org_id = w.org_id AND d.endpoint_id = w.endpoint_id
					AND d.status = 'pending' AND d.next_retry_at <= w.now AND (d.leased_until IS NULL OR d.leased_until <= w.now)
				ORDER BY d.next_retry_at LIMIT 1), false) AS dropping
		FROM wanted w JOIN webhook_lane l ON l.org_id = w.org_id AND l.endpoint_id = w.endpoint_id
		WHERE w.restricted AND (l.open_until IS NULL OR l.open_until <= w.now)
		FOR UPDATE OF l SKIP LOCKED
	), turn AS (
		SELECT now, org_id, endpoint_id, room, revision, troubled, restricted, false AS probe, NULL::uuid AS dropped_before, false AS dropping FROM wanted WHERE NOT restricted
		UNION ALL
		SELECT now, org_id, endpoint_id, CASE WHEN dropping THEN room ELSE
				least(CASE WHEN probe THEN 1 ELSE room END, -- without a rate limit floor(…) is NULL, which least ignores
					floor(extract(epoch FROM now - slot) * rate_limit + greatest(0.1 * rate_limit, 1) + 0.001)::integer)
			END, revision, troubled, true, probe AND NOT dropping, dropped_before, dropping
		FROM gate
	), due AS MATERIALIZED (
		SELECT t.now, d.*, t.probe, t.revision, t.troubled, t.restricted FROM turn t
		CROSS JOIN LATERAL (
			SELECT w.org_id, w.event_id, w.endpoint_id, greatest(w.next_retry_at, w.leased_until) AS due, greatest(w.event_id, uuid_floor(w.redelivered_at)) < t.dropped_before IS TRUE OR w.expires_at <= t.now IS TRUE AS dropped
			FROM webhook_delivery w
			WHERE w.org_id = t.org_id AND w.endpoint_id = t.endpoint_id
				AND w.status = 'pending' AND w.next_retry_at <= t.now AND (w.leased_until IS NULL OR w.leased_until <= t.now)
			ORDER BY w.next_retry_at
			LIMIT greatest(t.room, 0)
			FOR UPDATE SKIP LOCKED
		) d
		WHERE d.dropped OR NOT t.dropping
	), spent AS (
		UPDATE webhook_lane l SET
			next_slot = g.slot + n.claimed * interval '1 second' / g.rate_limit,
			open_until = CASE WHEN g.probe THEN g.now + $5 END
		FROM gate g JOIN (SELECT org_id, endpoint_id, count(*) AS claimed FROM due WHERE NOT dropped GROUP BY org_id, endpoint_id) n
			ON n.org_id = g.org_id AND n.endpoint_id = g.endpoint_id
		WHERE l.org_id = g.org_id AND l.endpoint_id = g.endpoint_id
	), claimed AS (
		UPDATE webhook_delivery d SET lease = $4, leased_until = due.now + $5
		FROM due
		WHERE d.org_id = ANY (ARRAY[due.org_id]) AND d.event_id = due.event_id AND d.endpoint_id = due.endpoint_id
		RETURNING d.org_id, d.id, d.event_id, d.endpoint_id, d.attempts, d.tries_before, d.redelivered_at, d.expires_at, d.ordering_key, due.due, due.probe, due.troubled, due.restricted, due.revision
	)
	SELECT c.org_id, c.id, c.event_id, c.endpoint_id, c.attempts, c.tries_before, c.redelivered_at, c.expires_at, c.ordering_key, c.due, c.probe, c.troubled, c.restricted, c.revision, coalesce(e.type, ''), e.payload
	FROM (SELECT *, row_number() OVER (PARTITION BY org_id, event_id) = 1 AS is_first FROM claimed` + claimedSQL
