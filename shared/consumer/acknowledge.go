package consumer

import (
	"context"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Acknowledge ends the items that were handed out up to a position, or with only the
// one at this position, and returns how many. An item that was handed out again since
// has a later position and stays. A dead letter ends only if it is named by its own
// position.
func Acknowledge(ctx context.Context, tx pg.Tx, org id.Org, consumer id.EventConsumer, position int64, only bool, actor string) (int64, error) {
	last, err := pg.Value[int64](ctx, tx, "consumer.Acknowledge", `
		SELECT last_position FROM event_consumer_progress WHERE org_id = $1 AND consumer_id = $2 FOR NO KEY UPDATE`, org, consumer)
	if err != nil {
		return 0, err
	}
	if position > last {
		return 0, fault.InvalidField("position", "is higher than that of any item that the consumer was given: send the position of an item")
	}
	err = pg.Exec(ctx, tx, "consumer.Acknowledge", `
		UPDATE event_consumer_progress SET acknowledged = greatest(acknowledged, $3), acknowledged_by = $4, acknowledged_at = portico_now()
		WHERE org_id = $1 AND consumer_id = $2`, org, consumer, position, actor)
	if err != nil {
		return 0, err
	}
	ended := `position <= $3 AND died_at IS NULL`
	if only {
		ended = `position = $3`
	}
	return pg.Affect(ctx, tx, "consumer.Acknowledge", `
		DELETE FROM event_consumer_item WHERE org_id = $1 AND consumer_id = $2 AND `+ended, org, consumer, position)
}
