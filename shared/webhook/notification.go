package webhook

import (
	"encoding/base64"

	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Queue is the name of the queue of deliveries.
const Queue = "webhook_delivery"

// Tell adds the statement that a publisher runs after its commit: it notifies the
// awake dispatchers of the endpoints that have something due now, see claim.Tell.
func Tell(then *pgx.Batch, org id.Org, endpoints []id.WebhookEndpoint, awake *bool) {
	claim.Tell(then, Queue, encodeNotification(org, endpoints), awake)
}

// Announce makes every transaction of db that calls RaiseDue wake a dispatcher, as
// publishes do. wakers are those of the queue of deliveries.
func Announce(db *pg.DB, wakers pg.Databases[*claim.Waker], clock *clock.Clock, log *observe.Log) {
	claim.Announce(db, Queue, wakers, clock, log, func(endpoints []string) (payload string, isDue bool) {
		if len(endpoints) > 1 {
			return "", true // the dispatcher has to look
		}
		return endpoints[0], true
	})
}

// RaiseDue says that the transaction makes deliveries to an endpoint due, see Announce.
func RaiseDue(tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint) {
	pg.Raise(tx, Queue, encodeNotification(org, []id.WebhookEndpoint{endpoint}))
}

// maxNotified is how many endpoints fit into a notification, which Postgres
// limits to 8,000 bytes. If there are more, the notification is empty, and the
// dispatcher has to look itself.
const maxNotified = 300

// encodeNotification packs the ids of the organization and the endpoints.
func encodeNotification(org id.Org, endpoints []id.WebhookEndpoint) string {
	if len(endpoints) > maxNotified {
		return ""
	}
	packed := append(make([]byte, 0, 16*(1+len(endpoints))), org.UUID[:]...)
	for _, e := range endpoints {
		packed = append(packed, e.UUID[:]...)
	}
	return base64.RawStdEncoding.EncodeToString(packed)
}

// DecodeNotification returns what encodeNotification packed; false: the caller
// must look for due deliveries itself.
func DecodeNotification(text string) ([]Lane, bool) {
	packed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(packed) < 32 || len(packed)%16 != 0 {
		return nil, false
	}
	var org id.Org
	copy(org.UUID[:], packed)
	var keys []Lane
	for rest := packed[16:]; len(rest) > 0; rest = rest[16:] {
		k := Lane{OrgID: org}
		copy(k.EndpointID.UUID[:], rest)
		keys = append(keys, k)
	}
	return keys, true
}
