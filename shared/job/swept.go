package job

import "portico/shared/claim"

// Queues are all queues.
var Queues = []Queue{High, Bulk, Billing}

// Swept returns the queue as a sweep needs it.
func (r *Runner) Swept(waker *claim.Waker) claim.Swept {
	return claim.Swept{Waker: waker, Next: r.Next, OldestDueAge: r.Queue.oldestDueAge()}
}

func (q Queue) oldestDueAge() string {
	return map[Queue]string{High: "OldestHighJobAge", Bulk: "OldestBulkJobAge", Billing: "OldestBillingJobAge"}[q]
}
