package dispatching

import (
	"context"
	"slices"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
)

func (r *Result) orderedKey() webhook.OrderedKey {
	return webhook.OrderedKey{Lane: r.lane(), Key: *r.OrderingKey}
}

// finishedKeys returns the ordering keys of the deliveries that a batch finishes,
// each once, in the order in which webhook.LockKeys needs them.
func finishedKeys(batch []Result) []webhook.OrderedKey {
	var keys []webhook.OrderedKey
	for _, r := range batch {
		if r.OrderingKey != nil && r.Status != webhook.Pending {
			keys = append(keys, r.orderedKey())
		}
	}
	slices.SortFunc(keys, webhook.OrderedKey.Compare)
	return slices.Compact(keys)
}

// pauseKeys pauses the keys whose head has just failed, if the endpoint's policy
// is to pause. One that expired has not failed by its receiver alone: the next may go.
func pauseKeys(ctx context.Context, tx pg.Tx, batch []Result) error {
	var keys []webhook.OrderedKey
	var events []id.Event
	for _, r := range batch {
		if r.OrderingKey != nil && r.Status == webhook.Failed && r.Tried && !r.Expired && r.Endpoint.Pauses {
			keys, events = append(keys, r.orderedKey()), append(events, r.EventID)
		}
	}
	return webhook.PauseKeys(ctx, tx, keys, events)
}
