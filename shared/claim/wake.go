package claim

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/pg"
	"portico/shared/queue"
)

// How dispatchers wake without polling. A dispatcher that is awake has a row with
// a short lease, which it renews, and it listens for notifications. To sleep, it
// first deletes the row and then looks once more for what is due. A publisher, who
// adds work to the queue, first commits and then reads the rows: it notifies the
// dispatchers that are awake, and sends a nudge if there is none. In whichever
// order these four steps happen, either the publisher sees no row, or the
// dispatcher's last look sees the work. The row of a dispatcher that was killed
// counts for awakeFor at most; what is added in that time waits for the next
// sweep.
const (
	awakeFor   = 5 * time.Second
	renewEvery = 1500 * time.Millisecond
)

// Waker tells the dispatchers of one queue in one database that something is due
// there.
type Waker struct {
	Queue    string // at most 63 bytes, the limit of Postgres for a channel
	Database string
	Due      *Due
	Nudge    *queue.Sender

	mu     sync.Mutex
	nudged time.Time // when WakeForPublish last sent a nudge
}

// Nudge is the content of a nudge: the database in which something is due.
type Nudge struct {
	Database string `json:"database"`
	// HelpAt is when an awake dispatcher asked for help. It is nil in all other
	// nudges, which must never be ignored.
	HelpAt *time.Time `json:"help_at,omitempty"`
}

// helpWithin is how long a call for help is valid. The dispatcher repeats it each
// second while it needs help, so an older one can be ignored.
const helpWithin = 5 * time.Second

// IsOutdated reports whether a nudge is a call for help that is no longer valid.
// It is ignored, so calls for help do not delay the nudges behind them.
func (n Nudge) IsOutdated() bool { return n.HelpAt != nil && time.Since(*n.HelpAt) > helpWithin }

// Tell adds the statement that runs after the commit of a transaction that has added
// work to a queue: it notifies the queue's awake dispatchers, unless the leader looks
// anyway. The payload, below 8,000 bytes, reaches the queue's Heard. Tell sets awake
// to whether a dispatcher is awake; if none is, somebody has to wake one.
func Tell(then *pgx.Batch, queue, payload string, awake *bool) {
	// The commit does not wait for the disk: a crash loses a notification anyway.
	then.Queue(`
		SELECT set_config('synchronous_commit', 'off', true), CASE WHEN NOT unnotified THEN pg_notify($1, $2)::text END
		FROM dispatcher WHERE queue = $1 AND awake_until > portico_now() ORDER BY unnotified DESC LIMIT 1`, queue, payload).
		Query(func(rows pgx.Rows) error {
			*awake = rows.Next()
			rows.Close()
			return rows.Err()
		})
}

// Wake sends a nudge, which starts a dispatcher.
func (w *Waker) Wake(ctx context.Context) error { return w.WakeAfter(ctx, 0) }

// WakeForPublish is Wake for a publisher that saw no dispatcher awake. It sends
// at most one nudge in IdleAtLeast, even if much work is added until a
// dispatcher has started. That is enough: the dispatcher that the nudge wakes
// stays awake for at least IdleAtLeast. So either it has not started yet and will
// find the work, or the publisher would have seen it awake.
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

// CallHelp sends a nudge that is a call for help, see Nudge.HelpAt.
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

func isAwake(ctx context.Context, q pg.Querier, queue string) (bool, error) {
	return pg.Value[bool](ctx, q, "claim.isAwake", `SELECT EXISTS (SELECT FROM dispatcher WHERE queue = $1 AND awake_until > portico_now())`, queue)
}

// stayAwake renews a dispatcher's row. It returns how many other dispatchers of the
// queue are awake, and how many of them are older, which means awake for longer.
func stayAwake(ctx context.Context, db *pg.Worker, queue string, dispatcher uuid.UUID) (others, older int, err error) {
	err = db.QueryRow(ctx, `
		INSERT INTO dispatcher (queue, id, awake_until) VALUES ($1, $2, portico_now() + $3)
		ON CONFLICT (id) DO UPDATE SET awake_until = excluded.awake_until
		RETURNING (SELECT count(*) FROM dispatcher d WHERE d.queue = dispatcher.queue AND d.id <> dispatcher.id AND d.awake_until > portico_now()),
			(SELECT count(*) FROM dispatcher d WHERE d.queue = dispatcher.queue AND d.id < dispatcher.id AND d.awake_until > portico_now())`,
		queue, dispatcher, awakeFor).Scan(&others, &older)
	if err != nil {
		return 0, 0, fmt.Errorf("claim.stayAwake: %w", err)
	}
	return others, older, nil
}

// giveUpRow deletes the dispatcher's row: the first step to sleep. The second
// step is a last look with Queue.Next. It also deletes old rows of dead dispatchers.
func giveUpRow(ctx context.Context, db *pg.Worker, dispatcher uuid.UUID) error {
	return pg.Exec(ctx, db, "claim.giveUpRow", `
		DELETE FROM dispatcher WHERE id = $1 OR awake_until < portico_now() - interval '1 hour'`, dispatcher)
}
