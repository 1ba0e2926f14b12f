package dispatching

import (
	"context"
	"time"

	"portico/shared/cache"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// maxTargets bounds how many endpoints a dispatcher keeps in memory, with their
// opened secrets.
const maxTargets = 2000

// keptTarget is an endpoint in a dispatcher's memory.
type keptTarget struct {
	*Target
	revision int64
	until    time.Time // when a secret or key pair ends; zero: none does
}

// targets keeps the endpoints that were claimed lately. Each claim tells the
// current revision of its endpoint, and every change of the endpoint raises it, so
// a kept one is used only if it is unchanged.
type targets struct {
	kept *cache.Cache[webhook.Lane, keptTarget]
}

func newTargets() targets {
	return targets{cache.New[webhook.Lane, keptTarget](maxTargets, 0)}
}

func (t targets) get(c Claim, now time.Time) *Target {
	kept, _ := t.kept.Get(c.lane(), now)
	if kept.Target == nil || kept.revision != c.revision || !kept.until.IsZero() && !now.Before(kept.until) {
		return nil
	}
	return kept.Target
}

// put keeps the targets of rows, but none that could not be opened: the reason may
// be gone at the next try.
func (t targets) put(rows []targetRow, opened map[webhook.Lane]*Target, unopened map[webhook.Lane]error, now time.Time) {
	for _, row := range rows {
		k := row.lane()
		if unopened[k] != nil {
			continue
		}
		kept, _ := t.kept.Get(k, now)
		if kept.Target != opened[k] {
			kept = keptTarget{Target: opened[k], revision: row.Revision}
		}
		if row.Until != nil && (kept.until.IsZero() || row.Until.Before(kept.until)) {
			kept.until = *row.Until
		}
		t.kept.Put(k, kept, now)
	}
}

// aim sets the endpoints of claims. It reads those from Postgres that are not kept
// or have changed, in one round trip.
func (t targets) aim(ctx context.Context, db *pg.Worker, box *secret.Box, claims []Claim, now time.Time) error {
	var missing []webhook.Lane
	for i := range claims {
		c := &claims[i]
		if c.Endpoint = t.get(*c, now); c.Endpoint == nil {
			missing = append(missing, c.lane())
		}
	}
	if len(missing) == 0 {
		return nil
	}
	rows, err := readTargets(ctx, db, missing)
	if err != nil {
		return err
	}
	opened, unopened := openTargets(box, rows)
	t.put(rows, opened, unopened, now)
	for i := range claims {
		if c := &claims[i]; c.Endpoint == nil {
			k := c.lane()
			c.Endpoint, c.Unopened = opened[k], unopened[k]
			c.Troubled = c.Troubled && c.Endpoint != nil
		}
	}
	return nil
}

// readTargets reads endpoints that are not deleted: one row for each secret that
// signs, the newest secret first.
func readTargets(ctx context.Context, db *pg.Worker, keys []webhook.Lane) ([]targetRow, error) {
	orgs, endpoints := splitKeys(keys)
	return pg.List[targetRow](ctx, db, "webhook.readTargets", `
		SELECT e.org_id, e.id, e.url, e.retry_policy, e.retry_schedule, e.timeout_seconds, e.sealed_headers,
			e.signature_scheme, e.sealed_key,
			CASE WHEN e.old_key_expires_at > portico_now() THEN e.old_sealed_key END AS old_sealed_key,
			e.client_certificate, e.sealed_client_key, e.dropped_before, e.exhaustion_policy, e.revision,
			least(s.expires_at, CASE WHEN e.old_key_expires_at > portico_now() THEN e.old_key_expires_at END) AS until,
			s.id AS secret_id, s.sealed AS sealed_secret
		FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[]) AS k (org_id, id)) k
		JOIN webhook_endpoint e ON e.org_id = k.org_id AND e.id = k.id AND e.deleted_at IS NULL
		JOIN webhook_secret s ON s.org_id = e.org_id AND s.endpoint_id = e.id
			AND (s.expires_at IS NULL OR s.expires_at > portico_now())
		ORDER BY s.id DESC`, orgs, endpoints)
}

// targetRow is an endpoint with one of its secrets, as the dispatcher reads it.
type targetRow struct {
	OrgID             id.Org
	ID                id.WebhookEndpoint
	URL               string
	RetryPolicy       string
	RetrySchedule     []int32
	TimeoutSeconds    int16
	SealedHeaders     []byte
	SignatureScheme   string
	SealedKey         []byte
	OldSealedKey      []byte
	DroppedBefore     id.Event
	ExhaustionPolicy  string
	Revision          int64
	Until             *time.Time // until when the secret or an older key pair signs
	SecretID          id.WebhookSecret
	SealedSecret      []byte
	ClientCertificate []byte
	SealedClientKey   []byte
}

func (r targetRow) lane() webhook.Lane { return webhook.Lane{OrgID: r.OrgID, EndpointID: r.ID} }

// target opens the sealed values except the signing secrets.
func (r targetRow) target(box *secret.Box) (*Target, error) {
	headers, err := sending.OpenHeaders(box, r.OrgID, r.ID, r.SealedHeaders)
	if err != nil {
		return nil, err
	}
	keys, err := signing.OpenKeys(box, r.OrgID, r.ID, r.SealedKey, r.OldSealedKey)
	if err != nil {
		return nil, err
	}
	certificate, err := sending.OpenClientCertificate(box, r.OrgID, r.ID, r.ClientCertificate, r.SealedClientKey)
	if err != nil {
		return nil, err
	}
	return &Target{
		Target: sending.Target{
			URL: r.URL, Timeout: time.Duration(r.TimeoutSeconds) * time.Second, Headers: headers,
			Signer: signing.Signer{Scheme: r.SignatureScheme, Keys: keys}, Certificate: certificate,
		},
		Schedule: webhook.ScheduleOf(r.RetryPolicy, r.RetrySchedule), Pauses: r.ExhaustionPolicy == webhook.ExhaustionPause, DroppedBefore: r.DroppedBefore,
	}, nil
}
