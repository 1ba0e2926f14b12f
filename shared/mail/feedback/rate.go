package feedback

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/mail"
	"portico/shared/observe"
	"portico/shared/pg"
)

// count counts what became of a mail: once as delivered or bounced, and if it was
// reported as spam. The row is locked only in the round trip of the commit, and each
// session has one of 16, so that sessions seldom wait for each other.
func count(ctx context.Context, tx pg.Tx, stream string, before What, r Report) error {
	var delivered, bounced, complained int
	switch {
	case r.What == Delivered && before != Bounced:
		delivered = 1
	case r.What == Bounced && r.Counts:
		bounced = 1
	case r.What == Complained:
		complained = 1
	default:
		return nil
	}
	var batch pgx.Batch
	batch.Queue(`SELECT count_mail($1, $2, $3, $4)`, stream, delivered, bounced, complained)
	return pg.AtCommitInOrder(ctx, tx, "mail_stream_day/"+stream, &batch)
}

// judge writes the rates of a stream into the log, and pauses marketing if they are
// too high, before the mail service pauses everything.
func (d *Desk) judge(ctx context.Context, stream string) error {
	rates, err := mail.RatesOf(ctx, d.DB, stream)
	if err != nil {
		return err
	}
	var metrics []observe.Metric
	if rates.KnowsBounces() {
		metrics = append(metrics, observe.One("MailBounceRate", observe.Percent, 100*rates.Bounces()))
	}
	if rates.KnowsComplaints() {
		metrics = append(metrics, observe.One("MailComplaintRate", observe.Percent, 100*rates.Complaints()))
	}
	d.Log.Line(ctx, slog.LevelInfo, "rates of mail", metrics, slog.String("stream", stream), slog.Int64("delivered", rates.Delivered),
		slog.Int64("bounced", rates.Bounced), slog.Int64("complained", rates.Complained))
	if stream != mail.Marketing || !rates.TooHigh() {
		return nil
	}
	why := fmt.Sprintf("Of %d marketing mails of the last %d days %d bounced and %d were reported as spam.",
		rates.Delivered+rates.Bounced, mail.RateDays, rates.Bounced, rates.Complained)
	paused, err := mail.PauseMarketing(ctx, d.DB, mail.Feedback, why)
	if paused {
		d.Log.Line(ctx, slog.LevelWarn, "marketing mail is paused", []observe.Metric{observe.One("MarketingPaused", observe.Count, 1)},
			slog.String("why", why), slog.Time("at", d.Clock.Now().UTC().Truncate(time.Second)))
	}
	return err
}
