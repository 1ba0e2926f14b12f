package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/queue"
)

// How dispatchers wake without polling. A dispatcher that is awake holds a row
// with a short lease that it renews, and listens. To sleep it deletes the row,
// and then looks once more. A publisher commits, and then reads the rows: it
// notifies whoever is awake, and nudges when none is. Whatever the order of the four steps, either the publisher
// sees no row or the dispatcher's last look sees the delivery. A dispatcher
// that was killed leaves a row for at most awakeFor; what is published
// meanwhile waits for the next sweep.
const (
	awakeFor   = 5 * time.Second
	renewEvery = 1500 * time.Millisecond
)

// Waker tells the dispatchers of one database that something is due there.
type Waker struct {
	Database string
	Due      *Due
	Nudge    *queue.Sender

	mu     sync.Mutex
	nudged time.Time // when WakeForPublish last sent a nudge
}

// Nudge is what a nudge says: in which database something is due.
type Nudge struct {
	Database string `json:"database"`
	// HelpAt is when a dispatcher that is awake asked for another; nil in a nudge
	// that something may depend on.
	HelpAt *time.Time `json:"help_at,omitempty"`
}

// helpWithin is how long a call for help counts. Who asked asks again each
// second, so one that waited longer for a place is of the past.
const helpWithin = 5 * time.Second

// IsOutdated reports whether a nudge asks for help that is no longer wanted. So
// calls for help never hold up a nudge that waits behind them.
func (n Nudge) IsOutdated() bool { return n.HelpAt != nil && time.Since(*n.HelpAt) > helpWithin }

// channel is where awake dispatchers listen.
const channel = "webhook_delivery"

// Tell adds the statement that a publisher runs after its commit: it notifies
// the dispatchers that are awake of the endpoints that have something due now.
// awake is true when there was one.
func Tell(then *pgx.Batch, org id.Org, endpoints []id.WebhookEndpoint, awake *bool) {
	// Nobody waits for the disk: a notification does not outlive a crash anyway.
	then.Queue(`
		SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)
		FROM dispatcher WHERE awake_until > portico_now() LIMIT 1`, channel, encodeNews(org, endpoints)).
		Query(func(rows pgx.Rows) error {
			*awake = rows.Next()
			rows.Close()
			return rows.Err()
		})
}

// maxNews is how many endpoints fit into a notification, of which Postgres
// takes 8,000 bytes. Of more nothing is said but that there is something.
const maxNews = 300

// encodeNews packs the organization's and the endpoints' ids.
func encodeNews(org id.Org, endpoints []id.WebhookEndpoint) string {
	if len(endpoints) > maxNews {
		return ""
	}
	packed := append(make([]byte, 0, 16*(1+len(endpoints))), org.UUID[:]...)
	for _, e := range endpoints {
		packed = append(packed, e.UUID[:]...)
	}
	return base64.RawStdEncoding.EncodeToString(packed)
}

// decodeNews returns what encodeNews packed; false means: look yourself.
func decodeNews(news string) ([]endpointKey, bool) {
	packed, err := base64.RawStdEncoding.DecodeString(news)
	if err != nil || len(packed) < 32 || len(packed)%16 != 0 {
		return nil, false
	}
	var org id.Org
	copy(org.UUID[:], packed)
	var keys []endpointKey
	for rest := packed[16:]; len(rest) > 0; rest = rest[16:] {
		k := endpointKey{org: org}
		copy(k.endpoint.UUID[:], rest)
		keys = append(keys, k)
	}
	return keys, true
}

// Wake sends a nudge, which starts a dispatcher.
func (w *Waker) Wake(ctx context.Context) error { return w.WakeAfter(ctx, 0) }

// WakeForPublish is Wake for a publisher that saw no dispatcher awake. It sends
// at most one nudge in IdleAtLeast, however many publish until a dispatcher has
// started: the one that answers a nudge stays awake that long at least, so the
// publisher would have seen it, or it is yet to come and will look.
func (w *Waker) WakeForPublish(ctx context.Context) (nudged bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if !w.nudged.IsZero() && now.Sub(w.nudged) < IdleAtLeast {
		return false, nil
	}
	if err := w.Wake(ctx); err != nil {
		return false, err
	}
	w.nudged = now
	return true, nil
}

// WakeAfter sends a nudge that arrives after a delay.
func (w *Waker) WakeAfter(ctx context.Context, delay time.Duration) error {
	return w.send(ctx, Nudge{Database: w.Database}, delay)
}

// CallHelp sends a nudge that is of use only now, while its sender is awake.
func (w *Waker) CallHelp(ctx context.Context) error {
	return w.send(ctx, Nudge{Database: w.Database, HelpAt: new(time.Now())}, 0)
}

func (w *Waker) send(ctx context.Context, n Nudge, delay time.Duration) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return w.Nudge.SendAfter(ctx, string(body), delay)
}

func isAwake(ctx context.Context, q pg.Querier) (bool, error) {
	return pg.Value[bool](ctx, q, "webhook.isAwake", `SELECT EXISTS (SELECT FROM dispatcher WHERE awake_until > portico_now())`)
}

// stayAwake renews a dispatcher's row and returns how many others are awake, and
// how many of them are elder: have been awake for longer.
func stayAwake(ctx context.Context, db *pg.Worker, dispatcher uuid.UUID) (others, elder int, err error) {
	err = db.QueryRow(ctx, `
		INSERT INTO dispatcher (id, awake_until) VALUES ($1, portico_now() + $2)
		ON CONFLICT (id) DO UPDATE SET awake_until = excluded.awake_until
		RETURNING (SELECT count(*) FROM dispatcher d WHERE d.id <> dispatcher.id AND d.awake_until > portico_now()),
			(SELECT count(*) FROM dispatcher d WHERE d.id < dispatcher.id AND d.awake_until > portico_now())`,
		dispatcher, awakeFor).Scan(&others, &elder)
	if err != nil {
		return 0, 0, fmt.Errorf("webhook.stayAwake: %w", err)
	}
	return others, elder, nil
}

// giveUpRow is the first step to sleep; the look that nextDue gives is the
// second. Rows that dead dispatchers left go with it.
func giveUpRow(ctx context.Context, db *pg.Worker, dispatcher uuid.UUID) error {
	return pg.Exec(ctx, db, "webhook.giveUpRow", `
		DELETE FROM dispatcher WHERE id = $1 OR awake_until < portico_now() - interval '1 hour'`, dispatcher)
}
