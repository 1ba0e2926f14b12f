// Package fanout decides which endpoints get an event, and says of the others why
// they do not.
package fanout

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/eventtype"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/filter"
)

// Fanout is how many deliveries an event makes, and which endpoints do not get
// it.
type Fanout struct {
	Deliveries int // made so far, including held ones and those of endpoints deleted since
	Skipped    []Skipped
}

// MaxSkipped bounds how many endpoints a Fanout names.
const MaxSkipped = 100

// Skipped is an endpoint that does not get an event.
type Skipped struct {
	Endpoint id.WebhookEndpoint
	Reason   string
}

// Why an endpoint does not get an event.
const (
	SkippedType    = "event_type"    // it does not subscribe to the type
	SkippedFilter  = "filter"        // its filter is not true for the event
	SkippedHeld    = "disabled"      // its delivery is held until it is enabled
	SkippedAbout   = "about_itself"  // an operational event about this endpoint
	SkippedLater   = "created_later" // it did not exist when the event was published
	SkippedTest    = "test"          // the event is a test of another endpoint
	SkippedChanged = "changed_later" // its settings were different when the event was published
)

// Candidate is an event that endpoints may get. It is not safe for concurrent
// use.
type Candidate struct {
	filter.Event
	// Group is the group of the type in the catalog; "": none.
	Group string
	// About is the endpoint that does not get an operational event because the
	// event is about it; zero for all other events.
	About id.WebhookEndpoint
}

// Subscription has the settings of an endpoint that decide whether it gets an
// event.
type Subscription struct {
	ID         id.WebhookEndpoint
	EventTypes []string
	Ordered    bool
	Filter     string
	Disabled   bool
}

// ScanRow reads subscriptionColumns.
func (s *Subscription) ScanRow(row pgx.Rows) error {
	return row.Scan(&s.ID, &s.EventTypes, &s.Ordered, &s.Filter, &s.Disabled)
}

// Skips returns why the endpoint gets no delivery of the event; "" if it gets
// one.
func (s Subscription) Skips(c *Candidate) string {
	switch {
	case s.ID == c.About:
		return SkippedAbout
	case !webhook.Wants(s.EventTypes, c.Type, c.Group):
		return SkippedType
	case !c.Meets(s.Filter):
		return SkippedFilter
	}
	return ""
}

// Consumer has the settings of an event consumer that decide which events it gets
// through the event stream.
type Consumer struct {
	ID         id.EventConsumer
	EventTypes []string
	Filter     string
}

// ScanRow reads id, event_types and filter.
func (c *Consumer) ScanRow(row pgx.Rows) error { return row.Scan(&c.ID, &c.EventTypes, &c.Filter) }

// Gets reports whether the consumer gets an item of the event.
func (c Consumer) Gets(of *Candidate) bool {
	return webhook.Wants(c.EventTypes, of.Type, of.Group) && of.Meets(c.Filter)
}

// Add counts a delivery, or names an endpoint that does not get the event. skips
// is the result of Skips.
func (f *Fanout) Add(s Subscription, skips string) {
	if skips == "" {
		f.Deliveries++
	}
	f.name(s, skips)
}

func (f *Fanout) name(s Subscription, skips string) {
	if skips == "" && s.Disabled {
		skips = SkippedHeld
	}
	if skips != "" && len(f.Skipped) < MaxSkipped {
		f.Skipped = append(f.Skipped, Skipped{s.ID, skips})
	}
}

const subscriptionColumns = `e.id, e.event_types, e.ordered, e.filter, e.status = 'disabled' AS disabled`

// pastDelivery is an endpoint with its settings of today, and its delivery of a
// past event.
type pastDelivery struct {
	Subscription
	Later     bool // created after the event
	Delivered bool // a delivery was made
	Finished  bool // it is no longer pending
	Test      bool // the event is a test of one endpoint
}

// ScanRow reads subscriptionColumns and the four others.
func (p *pastDelivery) ScanRow(row pgx.Rows) error {
	return row.Scan(&p.ID, &p.EventTypes, &p.Ordered, &p.Filter, &p.Disabled, &p.Later, &p.Delivered, &p.Finished, &p.Test)
}

// Of returns the Fanout of a past event. The reasons are derived from the
// endpoints' settings of today.
func Of(ctx context.Context, tx pg.Tx, org id.Org, event id.Event, c Candidate) (Fanout, error) {
	var f Fanout
	var list []pastDelivery
	var batch pgx.Batch
	eventtype.QueueGroup(&batch, org, c.Type, &c.Group)
	batch.Queue(`SELECT count(*) FROM webhook_delivery WHERE org_id = $1 AND event_id = $2`, org, event).QueryRow(func(row pgx.Row) error {
		return row.Scan(&f.Deliveries)
	})
	batch.Queue(`
		SELECT `+subscriptionColumns+`, e.created_at > v.created_at AS later, d.id IS NOT NULL AS delivered,
			d.status IS DISTINCT FROM 'pending' AS finished, v.test_endpoint_id IS NOT NULL AS test
		FROM webhook_endpoint e
		JOIN event v ON v.org_id = e.org_id AND v.id = $2
		LEFT JOIN webhook_delivery d ON d.org_id = e.org_id AND d.event_id = v.id AND d.endpoint_id = e.id
		WHERE e.org_id = $1 AND e.deleted_at IS NULL ORDER BY e.id`, org, event).Query(pg.Into(&list))
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return f, fmt.Errorf("fanout.Of: %w", err)
	}
	c.About = aboutOf(c)
	for _, p := range list {
		if err := ctx.Err(); err != nil {
			return f, fmt.Errorf("fanout.Of: %w", err)
		}
		if len(f.Skipped) < MaxSkipped {
			p.explain(&f, &c)
		}
	}
	return f, nil
}

func (p pastDelivery) explain(f *Fanout, c *Candidate) {
	switch {
	case p.Delivered:
		p.Disabled = p.Disabled && !p.Finished
		f.name(p.Subscription, "")
	case p.Test:
		f.name(p.Subscription, SkippedTest)
	case p.Later:
		f.name(p.Subscription, SkippedLater)
	default:
		reason := p.Skips(c)
		if reason == "" {
			reason = SkippedChanged
		}
		f.name(p.Subscription, reason)
	}
}

// aboutOf returns the endpoint that did not get an operational event because the
// event is about it; zero for any other event.
func aboutOf(c Candidate) id.WebhookEndpoint {
	if !webhook.IsOperational(c.Type) || c.Type == webhook.EventExpiring {
		return id.WebhookEndpoint{}
	}
	var data struct {
		EndpointID id.WebhookEndpoint `json:"endpoint_id"`
	}
	if err := json.Unmarshal(c.Data, &data); err != nil {
		return id.WebhookEndpoint{} // cannot happen: newNotice wrote the data
	}
	return data.EndpointID
}
