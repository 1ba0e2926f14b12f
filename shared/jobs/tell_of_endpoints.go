package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"portico/shared/auth"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail/template"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// Notices publishes operational events. With those about disabled endpoints and failed
// deliveries it adds the jobs that tell members by mail, in the same transaction.
type Notices struct {
	Due     *claim.Due // of the jobs of the queue high
	Entries *claim.Due // of the audit entries about disabled endpoints
	Clock   *clock.Clock
	Log     *observe.Log
}

// bundled is how long the first failed delivery of an endpoint waits for others to be
// in the same mail.
const bundled = time.Hour

// disabledArgs are about an endpoint that Portico has disabled.
type disabledArgs struct {
	Endpoint     id.WebhookEndpoint `json:"endpoint"`
	Gone         bool               `json:"gone"`
	FailingSince *clock.Stamp       `json:"failing_since"`
	Failures     int32              `json:"failures"`
	LastError    string             `json:"last_error"`
}

// deadArgs are about an endpoint with deliveries that have failed for good, and the
// types of the first ones.
type deadArgs struct {
	Endpoint   id.WebhookEndpoint `json:"endpoint"`
	EventTypes []string           `json:"event_types"`
}

var (
	disablingKind = job.Kind[disabledArgs]{Name: "webhook_endpoint.tell_of_disabling", Queue: job.High, Unique: job.Replace}
	deadKind      = job.Kind[deadArgs]{Name: "webhook_endpoint.tell_of_dead_deliveries", Queue: job.High, Unique: job.Waits}
)

// Publish is dispatching.Dispatcher.Publish.
func (n Notices) Publish(ctx context.Context, tx pg.Tx, org id.Org, notices []webhook.Notice, now time.Time) ([]id.WebhookEndpoint, error) {
	if err := n.tell(ctx, tx, org, notices); err != nil {
		return nil, err
	}
	return event.PublishNotices(ctx, tx, org, notices, now)
}

func (n Notices) tell(ctx context.Context, tx pg.Tx, org id.Org, notices []webhook.Notice) error {
	var disabled []job.New[disabledArgs]
	var dead []job.New[deadArgs]
	for _, one := range notices {
		switch one.Type {
		case webhook.EventDisabled:
			var d webhook.DisabledNotice
			if err := json.Unmarshal(one.Data, &d); err != nil {
				return err
			}
			disabled = append(disabled, job.New[disabledArgs]{Options: job.Options{Key: d.EndpointID.String()}, Args: disabledArgs{
				Endpoint: d.EndpointID, Gone: d.Reason == webhook.DisabledGone, FailingSince: d.FailingSince, Failures: d.Failures, LastError: d.LastError,
			}})
		case webhook.EventExhausted:
			var e webhook.ExhaustedNotice
			if err := json.Unmarshal(one.Data, &e); err != nil {
				return err
			}
			dead = withDead(dead, e)
		}
	}
	if len(disabled)+len(dead) == 0 {
		return nil
	}
	// The sweep finds the jobs and the entries. If this fails, the results of deliveries
	// are recorded all the same, and they are found when the queue is looked at the next
	// time.
	err := n.Due.Lower(ctx, n.Clock.Now())
	if len(disabled) > 0 {
		err = errors.Join(err, n.Entries.Lower(ctx, n.Clock.Now()))
	}
	if err != nil {
		n.Log.Line(ctx, slog.LevelWarn, "the due time of jobs or audit entries could not be lowered", nil, slog.String("cause", err.Error()))
	}
	if _, err := job.AddAll(ctx, tx, org, disablingKind, disabled); err != nil {
		return err
	}
	_, err = job.AddAll(ctx, tx, org, deadKind, dead)
	return err
}

// maxTypes is how many types of events a mail names.
const maxTypes = 3

// withDead adds a failed delivery: there is one job for each endpoint.
func withDead(list []job.New[deadArgs], e webhook.ExhaustedNotice) []job.New[deadArgs] {
	i := slices.IndexFunc(list, func(n job.New[deadArgs]) bool { return n.Args.Endpoint == e.EndpointID })
	if i < 0 {
		i = len(list)
		list = append(list, job.New[deadArgs]{Args: deadArgs{Endpoint: e.EndpointID}, Options: job.Options{Key: e.EndpointID.String(), Delay: bundled}})
	}
	if a := &list[i].Args; len(a.EventTypes) < maxTypes && !slices.Contains(a.EventTypes, e.EventType) {
		a.EventTypes = append(a.EventTypes, e.EventType)
	}
	return list
}

// tellOfDisabling tells those who may change endpoints, at most once a day for each
// endpoint, unless somebody has enabled it again.
func (k Kinds) tellOfDisabling() job.Declared {
	kind := disablingKind
	kind.Work = job.InTx(func(ctx context.Context, tx pg.Tx, j job.Job, a disabledArgs) error {
		e, err := webhook.GetEndpoint(ctx, tx, j.Org, a.Endpoint)
		if errors.Is(err, webhook.ErrEndpointNotFound) || err == nil && e.Status != webhook.Disabled {
			return nil
		}
		if err != nil {
			return err
		}
		var since time.Time
		if a.FailingSince != nil {
			since = time.Time(*a.FailingSince)
		}
		return k.tell(ctx, tx, j.Org, told{
			may: auth.WebhookEndpointsWrite, cause: "disabled/" + e.ID.String() + "/" + k.Clock.Now().UTC().Format(time.DateOnly),
			content: func(organization string) template.Content {
				return template.EndpointDisabled.With(template.EndpointDisabledData{
					Organization: organization, Endpoint: e.URL, Gone: a.Gone, FailingSince: since, Failures: int(a.Failures), LastError: a.LastError,
				})
			},
		})
	})
	return kind
}

// tellOfDead tells the same members how many deliveries of an endpoint have failed for
// good since the last mail about it, at most once in 24 hours.
func (k Kinds) tellOfDead() job.Declared {
	kind := deadKind
	kind.Work = job.InTx(func(ctx context.Context, tx pg.Tx, j job.Job, a deadArgs) error {
		d, err := webhook.TakeDead(ctx, tx, j.Org, a.Endpoint)
		switch {
		case err != nil:
			return err
		case d.Wait > 0:
			return job.Snooze(d.Wait)
		case d.Count == 0:
			return nil
		}
		return k.tell(ctx, tx, j.Org, told{
			may: auth.WebhookEndpointsWrite, cause: "dead/" + j.ID.String(),
			content: func(organization string) template.Content {
				return template.DeadDeliveries.With(template.DeadDeliveriesData{
					Organization: organization, Endpoint: d.URL, Count: d.Count, Since: d.Since, EventTypes: a.EventTypes, LastError: d.LastError,
				})
			},
		})
	})
	return kind
}
