package mail

import (
	"context"
	"log/slog"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail/transport"
	"portico/shared/observe"
	"portico/shared/pg"
)

// List is the list of addresses to which a mail service sends nothing.
type List interface {
	// Page returns a part of the list, and the token of the next one; "": it is the
	// last. The token of the first one is "".
	Page(ctx context.Context, token string) (page []transport.Suppressed, next string, err error)
	// Delete removes an address, if it is there.
	Delete(ctx context.Context, address string) error
}

// CompareKind is the kind of the jobs that compare the addresses that get no mail with
// the list of the mail service.
const CompareKind = "mail.compare_suppressions"

// compareArgs are the arguments of the job for a page of the service's list.
type compareArgs struct {
	Token string `json:"token"` // "": the first
}

// page is what a mail service returned.
type page struct {
	list []transport.Suppressed
	next string
}

// compare closes the gaps that lost reports leave: an address that only the service has
// is entered in this database, and one that was removed here since the service entered
// it is removed there. Each page is a job, which adds that of the next one, so no
// transaction waits for the service. A service without a list has no gaps. It runs every
// night, so it is not tried again for long.
func (s *Sender) compare() job.Kind[compareArgs] {
	kind := job.Kind[compareArgs]{Name: CompareKind, Queue: job.High, Platform: true, Timeout: time.Minute, Retry: job.Schedule{time.Minute, 10 * time.Minute}}
	next := kind
	kind.Work = job.Call(func(ctx context.Context, _ job.Job, args compareArgs) (p page, err error) {
		if s.List != nil {
			p.list, p.next, err = s.List.Page(ctx, args.Token)
		}
		return p, err
	}, func(ctx context.Context, tx pg.Tx, _ job.Job, _ compareArgs, p page) error {
		if err := s.closeGaps(ctx, tx, p.list); err != nil || p.next == "" {
			return err
		}
		_, err := job.Add(ctx, tx, id.Org{}, next, compareArgs{p.next}, job.Options{})
		return err
	})
	return kind
}

// closeGaps compares a page with what this database has.
func (s *Sender) closeGaps(ctx context.Context, tx pg.Tx, list []transport.Suppressed) error {
	if len(list) == 0 {
		return nil
	}
	var (
		recipients, reasons []string
		at                  []time.Time
	)
	for _, one := range list {
		reason := Bounce
		if one.Complaint {
			reason = Complaint
		}
		recipients, reasons, at = append(recipients, spelled(one.Address)), append(reasons, reason), append(at, one.At)
	}
	entered, err := pg.Affect(ctx, tx, "mail.closeGaps", `
		INSERT INTO mail_suppression (recipient, reason, note)
		SELECT recipient, reason, 'The mail service has it in its list.' FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS p (recipient, reason, at)
		WHERE NOT EXISTS (SELECT FROM mail_suppression_lifted l WHERE l.recipient = p.recipient AND l.lifted_at >= p.at)
		ORDER BY recipient, reason
		ON CONFLICT (recipient, reason) DO NOTHING`, recipients, reasons, at)
	if err != nil {
		return err
	}
	lifted, err := pg.List[liftArgs](ctx, tx, "mail.closeGaps", `
		SELECT DISTINCT p.recipient FROM unnest($1::text[], $2::timestamptz[]) AS p (recipient, at)
		JOIN mail_suppression_lifted l ON l.recipient = p.recipient AND l.lifted_at >= p.at
		WHERE NOT EXISTS (SELECT FROM mail_suppression s WHERE s.recipient = p.recipient AND s.reason IN ('bounce', 'complaint'))
		ORDER BY 1`, recipients, at)
	if err != nil {
		return err
	}
	if entered > 0 || len(lifted) > 0 {
		s.Log.Line(ctx, slog.LevelWarn, "the list of the mail service differed", []observe.Metric{observe.One("MailAddressesEntered", observe.Count, float64(entered))},
			slog.Int64("entered_here", entered), slog.Int("removed_there", len(lifted)))
	}
	all := make([]job.New[liftArgs], len(lifted))
	for i, one := range lifted {
		all[i].Args = one
	}
	if len(all) == 0 {
		return nil
	}
	_, err = job.AddAll(ctx, tx, id.Org{}, liftKind, all)
	return err
}
