// Package consumer has the programs that read an organization's events through the
// event stream, and the items that they have not acknowledged.
//
// A publish writes an item for each consumer that wants the event, in its own
// transaction. So an event is in the stream exactly if it was committed, in whatever
// order transactions commit. An item is handed out again, later each time, until it is
// acknowledged or has become a dead letter.
package consumer

import (
	"fmt"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/secret"
)

// Consumer is a program that reads the event stream.
type Consumer struct {
	ID          id.EventConsumer
	Name        string
	Description string
	// EventTypes and Filter select events as those of an endpoint do. Both are empty
	// if DeadLettersOf is set.
	EventTypes    []string
	Filter        string
	DeadLettersOf id.WebhookEndpoint // zero: the consumer reads events as they are published
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// New returns a new consumer for Insert.
func New(name string, now time.Time) Consumer {
	return Consumer{ID: id.New[id.EventConsumer](now), Name: name, EventTypes: []string{}, CreatedAt: now, UpdatedAt: now}
}

// Change names the fields to change; nil leaves one as it is.
type Change struct {
	Description *string
	EventTypes  []string
	Filter      *string
}

// MaxConsumers bounds how many consumers an organization may have, and so how many
// items one event may make.
const MaxConsumers = 50

// NamePattern is the form of a consumer's name.
const NamePattern = `^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`

// ErrNotFound is returned when the consumer does not exist, is deleted, or belongs to
// another organization.
var ErrNotFound = fault.New(fault.NotFound, "event_consumer_not_found",
	"There is no event consumer with this id or name.").
	Means("Your organization has no event consumer with this id or name.")

// ErrExists is returned when another consumer of the organization has the name.
var ErrExists = fault.New(fault.Conflict, "event_consumer_exists",
	"There is an event consumer with this name already. Choose another name, or use that consumer.").
	Means("Another event consumer of the organization has this name.")

// ErrTooMany is returned when the organization already has MaxConsumers consumers.
var ErrTooMany = fault.New(fault.Conflict, "too_many_event_consumers",
	fmt.Sprintf("An organization has at most %d event consumers. Delete one that is no longer needed.", MaxConsumers)).
	Means("The organization has reached the limit of event consumers.")

// ErrReadsDeadLetters is returned when a consumer of dead letters is to get types or a
// filter.
var ErrReadsDeadLetters = fault.New(fault.Conflict, "event_consumer_reads_dead_letters",
	"This consumer reads the dead letters of an endpoint, whatever their type. Create another one for events.").
	Means("Types and a filter were sent for a consumer that reads the dead letters of an endpoint.")

// secretContext binds a sealed secret to its consumer.
func secretContext(org id.Org, consumer id.EventConsumer) string {
	return "event_consumer/" + org.String() + "/" + consumer.String()
}

func seal(box *secret.Box, org id.Org, consumer id.EventConsumer, plain string) []byte {
	return box.Seal([]byte(plain), secretContext(org, consumer))
}

// open opens what seal sealed, and keeps the order. A nil value is skipped.
func open(box *secret.Box, org id.Org, consumer id.EventConsumer, sealed ...[]byte) (plain []string, err error) {
	for _, s := range sealed {
		if s == nil {
			continue
		}
		p, err := box.Open(s, secretContext(org, consumer))
		if err != nil {
			return nil, fmt.Errorf("secret of %s: %w", consumer, err)
		}
		plain = append(plain, string(p))
	}
	return plain, nil
}
