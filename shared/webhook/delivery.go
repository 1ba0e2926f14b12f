package webhook

import (
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/webhook/sending"
)

// Status is the state of a delivery.
type Status string

// The states of a delivery. Delivered and Failed are final.
const (
	Pending   Status = "pending"
	Delivered Status = "delivered"
	Failed    Status = "failed"
	Held      Status = "held"
)

// Delivery is one event for one endpoint.
type Delivery struct {
	ID          id.Delivery
	EventID     id.Event
	EndpointID  id.WebhookEndpoint
	Status      Status
	Attempts    int16
	NextRetryAt *time.Time
	CompletedAt *time.Time
	ExpiresAt   *time.Time // nil: never
	// Of the last try; nil before the first one. LastError is nil after a
	// success, LastStatusCode is nil without a response. A delivery that was held
	// for too long has ExpiredError, one whose time is over TooLateError.
	LastStatusCode *int16
	LastError      *string
	LastAnswer     *sending.Answer // sending.AnswerNone before the first try; nil: not known, see Attempt.Answer
}

// Attempt is one try of a delivery.
type Attempt struct {
	Number       int16
	StartedAt    time.Time
	Latency      time.Duration
	StatusCode   *int16
	Error        *string
	ResponseBody []byte
	// Answer and Exchange are nil if they are not known, because the try was made by
	// an older version of Portico.
	Answer   *sending.Answer
	Exchange *sending.Exchange
}

// ErrDeliveryNotFound is returned when the delivery does not exist or belongs to
// another organization.
var ErrDeliveryNotFound = fault.New(fault.NotFound, "delivery_not_found",
	"There is no delivery with this id.").
	Means("Your organization has no delivery with this id.")
