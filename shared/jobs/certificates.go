package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"portico/shared/auth"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail/template"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/webhook"
)

const (
	// expiresSoon is how long before its expiry a client certificate is reported:
	// from 30 whole days on.
	expiresSoon = 31 * 24 * time.Hour
	// tellAtMost is no longer than a publish may take, which claim.Due relies on.
	tellAtMost = 25 * time.Second
)

const watchCertificatesKind = "webhook_endpoint.watch_certificates"

// watchCertificates writes one line if client certificates expire soon, and adds a
// job for each organization that has to be told: one that cannot be told keeps no
// other from it.
func (k Kinds) watchCertificates() job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: watchCertificatesKind, Queue: job.High, Platform: true,
		Work: job.InTx(func(ctx context.Context, tx pg.Tx, _ job.Job, _ struct{}) error {
			list, err := webhook.ExpiringCertificates(ctx, tx, expiresSoon)
			if err != nil || len(list) == 0 {
				return err
			}
			k.Log.Line(ctx, slog.LevelWarn, "client certificates expire within 31 days",
				[]observe.Metric{observe.One("CertificatesExpiring", observe.Count, float64(len(list)))},
				slog.Time("first_expires_at", list[0].ExpiresAt.UTC()), slog.String("first_endpoint", list[0].Endpoint.String()))
			told := map[id.Org]bool{}
			for _, one := range list {
				if !one.Untold || told[one.Org] {
					continue
				}
				told[one.Org] = true
				if _, err := job.Add(ctx, tx, one.Org, k.tellOfCertificates(), struct{}{}, job.Options{Key: "certificates"}); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

// tellOfCertificates publishes an organization's notices, and sends mails with the same
// news. The dispatcher that is awake, or the next sweep, delivers the notices.
func (k Kinds) tellOfCertificates() job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: "webhook_endpoint.tell_of_certificates", Queue: job.High, Unique: job.Waits, Timeout: tellAtMost,
		Work: job.InTx(func(ctx context.Context, tx pg.Tx, j job.Job, _ struct{}) error {
			if err := k.Due.Lower(ctx, k.Clock.Now()); err != nil {
				return err
			}
			notices, err := webhook.TellOfCertificates(ctx, tx, j.Org)
			if err != nil || len(notices) == 0 {
				return err
			}
			for _, n := range notices {
				if err := k.tellOfCertificate(ctx, tx, n); err != nil {
					return err
				}
			}
			_, err = event.PublishNotices(ctx, tx, j.Org, notices, k.Clock.Now())
			return err
		}),
	}
}

func (k Kinds) tellOfCertificate(ctx context.Context, tx pg.Tx, n webhook.Notice) error {
	var about struct {
		EndpointID id.WebhookEndpoint `json:"endpoint_id"`
		Subject    string             `json:"subject"`
		ExpiresAt  time.Time          `json:"expires_at"`
	}
	if err := json.Unmarshal(n.Data, &about); err != nil {
		return err
	}
	e, err := webhook.GetEndpoint(ctx, tx, n.Org, about.EndpointID)
	if err != nil {
		return err
	}
	days := wholeDays(about.ExpiresAt, k.Clock.Now())
	return k.tell(ctx, tx, n.Org, told{
		may: auth.WebhookEndpointsWrite, cause: fmt.Sprintf("certificate/%s/%d/%d", e.ID, about.ExpiresAt.Unix(), days),
		content: func(organization string) template.Content {
			return template.CertificateExpiring.With(template.CertificateExpiringData{
				Organization: organization, Endpoint: e.URL, Subject: about.Subject, ExpiresAt: about.ExpiresAt, Days: days,
			})
		},
	})
}
