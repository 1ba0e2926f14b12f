package jobs

import (
	"context"
	"log/slog"

	"portico/shared/mail/feedback"
	"portico/shared/observe"
)

// MailFeedback applies an event of SES. A message that cannot be read is consumed: it
// would be the same the next time. An error means that the message must come again.
func MailFeedback(desk *feedback.Desk, log *observe.Log) func(ctx context.Context, body string) error {
	return func(ctx context.Context, body string) error {
		report, err := feedback.ReadSES(body)
		if err != nil {
			log.Line(ctx, slog.LevelWarn, "a message about mail is ignored", []observe.Metric{observe.One("MailReportsIgnored", observe.Count, 1)},
				slog.String("why", err.Error()), slog.Int("bytes", len(body)))
			return nil
		}
		return desk.Apply(ctx, report)
	}
}
