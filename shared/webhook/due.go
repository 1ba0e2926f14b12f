package webhook

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portico/shared/clock"
	"portico/shared/pg"
)

const (
	// lowerEvery is how long one environment relies on its last Lower.
	lowerEvery = 10 * time.Second
	// quietFor is how long nobody may have lowered before the time is raised.
	// It exceeds lowerEvery by more than a publish transaction can last (25 s
	// statement timeout, 29 s function timeout), so whoever skipped a Lower has
	// committed, and the raiser's query sees it.
	quietFor = time.Minute
)

// Due is one DynamoDB item per database that says when any delivery is due
// next, so that the sweep of an idle system asks Postgres nothing.
//
// Guarantee: the item is never later than the earliest committed
// next_retry_at. Every writer of next_retry_at lowers it before its commit;
// only Raise moves it later.
type Due struct {
	client *dynamodb.Client
	table  string
	id     string
	clock  *clock.Clock

	mu      sync.Mutex
	lowered time.Time // when this environment last lowered
	to      time.Time // and to what
}

// NewDue returns the due time of a database, kept in table.
func NewDue(client *dynamodb.Client, table, database string, clock *clock.Clock) *Due {
	d := &Due{client: client, table: table, id: dueID, clock: clock}
	if database != pg.Home {
		d.id += "@" + database
	}
	return d
}

// DueItem is the item as read.
type DueItem struct {
	At      time.Time // zero: nothing is due, ever
	Lowered time.Time // when somebody last lowered it
	rev     string    // changes with every write; "" when there is no item
}

// Missing reports whether there is no item, which means: not known.
func (i DueItem) Missing() bool { return i.rev == "" }

const dueID = "webhook_delivery"

func (d *Due) key() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: d.id}}
}

// Lower makes the item no later than t. It costs at most one write in
// lowerEvery per environment. On an error the caller must not commit.
func (d *Due) Lower(ctx context.Context, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.Now()
	if !d.lowered.IsZero() && now.Sub(d.lowered) < lowerEvery && !now.Before(d.lowered) && !t.Before(d.to) {
		return nil
	}
	// Either the item is later than t and moves, or it is not and is marked as
	// relied upon. Each is conditional, so a Raise between them is noticed.
	for range 5 {
		err := d.update(ctx, "SET due_at = :t, lowered_at = :now ADD rev :one",
			"attribute_not_exists(due_at) OR due_at > :t", t, now)
		if isConditionFailed(err) {
			err = d.update(ctx, "SET lowered_at = :now ADD rev :one", "due_at <= :t", t, now)
		}
		if isConditionFailed(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("webhook.Due.Lower: %w", err)
		}
		d.lowered, d.to = now, t
		return nil
	}
	return errors.New("webhook.Due.Lower: the item kept changing")
}

func (d *Due) update(ctx context.Context, set, condition string, t, now time.Time) error {
	_, err := d.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &d.table, Key: d.key(), UpdateExpression: &set, ConditionExpression: &condition,
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":t": number(t), ":now": number(now), ":one": &types.AttributeValueMemberN{Value: "1"},
		},
	})
	return err
}

// Read returns the item.
func (d *Due) Read(ctx context.Context) (DueItem, error) {
	out, err := d.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &d.table, Key: d.key(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return DueItem{}, fmt.Errorf("webhook.Due.Read: %w", err)
	}
	var item DueItem
	if n, ok := out.Item["rev"].(*types.AttributeValueMemberN); ok {
		item.rev = n.Value
	}
	item.At, item.Lowered = moment(out.Item["due_at"]), moment(out.Item["lowered_at"])
	return item, nil
}

// Raise moves the item to next (zero: nothing is due) if it is still the one
// that was read before next was asked of Postgres, and was quiet for a minute.
// It reports whether it did.
func (d *Due) Raise(ctx context.Context, read DueItem, next time.Time) (bool, error) {
	if d.clock.Now().Sub(read.Lowered) < quietFor {
		return false, nil
	}
	input := &dynamodb.UpdateItemInput{
		TableName: &d.table, Key: d.key(),
		UpdateExpression:          aws.String("REMOVE due_at ADD rev :one"),
		ConditionExpression:       aws.String("attribute_not_exists(rev)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":one": &types.AttributeValueMemberN{Value: "1"}},
	}
	if !next.IsZero() {
		input.UpdateExpression = aws.String("SET due_at = :next ADD rev :one")
		input.ExpressionAttributeValues[":next"] = number(next)
	}
	if !read.Missing() {
		input.ConditionExpression = aws.String("rev = :rev")
		input.ExpressionAttributeValues[":rev"] = &types.AttributeValueMemberN{Value: read.rev}
	}
	_, err := d.client.UpdateItem(ctx, input)
	if isConditionFailed(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("webhook.Due.Raise: %w", err)
	}
	return true, nil
}

// number and moment hold times as Unix milliseconds, rounded down: too early
// is harmless.
func number(t time.Time) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(t.UnixMilli(), 10)}
}

func moment(v types.AttributeValue) time.Time {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func isConditionFailed(err error) bool {
	var failed *types.ConditionalCheckFailedException
	return errors.As(err, &failed)
}
