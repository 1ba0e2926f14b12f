package claim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/pg"
)

const (
	// lowerEvery is how long one environment relies on its last Lower.
	lowerEvery = 10 * time.Second
	// quietFor is how long there must have been no Lower before the time is
	// raised. It exceeds lowerEvery by more than a publish transaction can last. The
	// server has the COMMIT from the start, so it may commit after its client has
	// died: 29 s function timeout, then up to 25 s for each of three statements that
	// wait for a lock. So a transaction that relied on an earlier Lower has
	// committed, and the query before Raise sees its work.
	quietFor = 2 * time.Minute
)

// Due is one DynamoDB item for each queue and database that says when any work is
// due next, so that the sweep of an idle system asks Postgres nothing.
//
// Guarantee: the item is never later than the earliest committed time at which
// work of the queue may be claimed. Every writer of such a time lowers the item
// before its commit; only Raise moves it later.
type Due struct {
	table dynamo.Table
	id    string
	clock *clock.Clock

	mu      sync.Mutex
	lowered time.Time // when this environment last called Lower
	to      time.Time // the value that it lowered to
}

// NewDue returns the due time of a queue in a database, kept in table.
func NewDue(client *dynamodb.Client, table, queue, database string, clock *clock.Clock) *Due {
	d := &Due{table: dynamo.NewTable(client, table, "id"), id: queue, clock: clock}
	if database != pg.Home {
		d.id += "@" + database
	}
	return d
}

// DueItem is the item as read.
type DueItem struct {
	At      time.Time // zero: nothing is due, ever
	Lowered time.Time // when it was last lowered
	rev     int64     // changes with every write
	known   bool      // there is an item
}

// isDue reports whether Postgres has to be asked.
func (i DueItem) isDue(now time.Time) bool {
	return i.Missing() || !i.At.IsZero() && !i.At.After(now)
}

// Missing reports whether there is no item. Then it is not known when something
// is due.
func (i DueItem) Missing() bool { return !i.known }

// Lower makes the item no later than t. It costs at most one write in
// lowerEvery per environment. On an error the caller must not commit.
func (d *Due) Lower(ctx context.Context, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.Now()
	if !d.lowered.IsZero() && now.Sub(d.lowered) < lowerEvery && !now.Before(d.lowered) && !t.Before(d.to) {
		return nil
	}
	// If the item is later than t, it is lowered. Otherwise only lowered_at is
	// set, which shows that a writer relies on it. Both writes are conditional,
	// so a Raise between them is noticed.
	for range 5 {
		err := d.update(ctx, "SET due_at = :t, lowered_at = :now ADD rev :one",
			"attribute_not_exists(due_at) OR due_at > :t", t, now)
		if dynamo.IsRefused(err) {
			err = d.update(ctx, "SET lowered_at = :now ADD rev :one", "due_at <= :t", t, now)
		}
		if dynamo.IsRefused(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("claim.Due.Lower: %w", err)
		}
		d.lowered, d.to = now, t
		return nil
	}
	return errors.New("claim.Due.Lower: the item kept changing")
}

func (d *Due) update(ctx context.Context, set, condition string, t, now time.Time) error {
	return d.table.Update(ctx, d.id, dynamo.Write{
		Update: set, If: condition, Values: dynamo.Item{":t": number(t), ":now": number(now), ":one": dynamo.Number(1)},
	})
}

// Read returns the item.
func (d *Due) Read(ctx context.Context) (DueItem, error) {
	items, err := readAll(ctx, []*Due{d})
	if err != nil {
		return DueItem{}, err
	}
	return items[0], nil
}

// readAll returns the items of up to a hundred due times, which are in one table, by
// one call of DynamoDB.
func readAll(ctx context.Context, dues []*Due) ([]DueItem, error) {
	if len(dues) == 0 {
		return nil, nil
	}
	ids := make([]string, len(dues))
	for i, d := range dues {
		ids[i] = d.id
	}
	kept, err := dues[0].table.GetAll(ctx, ids, "id, rev, due_at, lowered_at", nil)
	if err != nil {
		return nil, fmt.Errorf("claim.Due.Read: %w", err)
	}
	items := make([]DueItem, len(dues))
	for _, k := range kept {
		item := DueItem{At: moment(k, "due_at"), Lowered: moment(k, "lowered_at")}
		if item.rev, item.known, err = dynamo.NumberOf(k["rev"]); err != nil {
			return nil, fmt.Errorf("claim.Due.Read: rev: %w", err)
		}
		items[slices.Index(ids, dynamo.TextOf(k["id"]))] = item
	}
	return items, nil
}

// Raise moves the item to next (zero: nothing is due) if it is unchanged since it
// was read and was not lowered for a minute. The caller reads the item before it
// asks Postgres for next. Raise reports whether it moved the item.
func (d *Due) Raise(ctx context.Context, read DueItem, next time.Time) (bool, error) {
	if d.clock.Now().Sub(read.Lowered) < quietFor {
		return false, nil
	}
	w := dynamo.Write{Update: "REMOVE due_at ADD rev :one", If: "attribute_not_exists(rev)", Values: dynamo.Item{":one": dynamo.Number(1)}}
	if !next.IsZero() {
		w.Update, w.Values[":next"] = "SET due_at = :next ADD rev :one", number(next)
	}
	if !read.Missing() {
		w.If, w.Values[":rev"] = "rev = :rev", dynamo.Number(read.rev)
	}
	err := d.table.Update(ctx, d.id, w)
	if dynamo.IsRefused(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("claim.Due.Raise: %w", err)
	}
	return true, nil
}

// number and moment convert times to and from Unix milliseconds, rounded down:
// too early is harmless.
func number(t time.Time) types.AttributeValue {
	return dynamo.Number(t.UnixMilli())
}

func moment(i dynamo.Item, name string) time.Time {
	ms, ok, err := dynamo.NumberOf(i[name])
	if !ok || err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
