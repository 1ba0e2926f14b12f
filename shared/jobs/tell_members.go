package jobs

import (
	"cmp"
	"context"
	"time"

	"portico/shared/audit/stream"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/member"
	"portico/shared/org"
	"portico/shared/pg"
)

const (
	// toldAtMost bounds how many members get one mail.
	toldAtMost = 50
	// mailsADay bounds how many mails of one template a member gets in 24 hours from an
	// organization, however many of its endpoints and keys have trouble.
	mailsADay = 10
)

// told is what members are told.
type told struct {
	may   auth.Permission // of those who can do something about it
	cause string          // equal for the same news, which nobody gets twice
	// content makes the mail; organization is its display name.
	content func(organization string) template.Content
}

// tell sends a mail to each member who may do something about the news, in the member's
// language, else the organization's. Pages to link to come with the console.
func (k Kinds) tell(ctx context.Context, tx pg.Tx, orgID id.Org, news told) error {
	o, err := org.Get(ctx, tx, orgID)
	if err != nil {
		return err
	}
	members, err := member.Holders(ctx, tx, orgID, news.may, toldAtMost)
	if err != nil {
		return err
	}
	content := news.content(cmp.Or(o.Branding.DisplayName, o.Name))
	for _, m := range members {
		if transport.CheckAddress(m.Email) != nil {
			continue // it may still be how the member is known
		}
		sent, err := mail.Recent(ctx, tx, orgID, content.Template.Name, m.Email, mailsADay)
		if err != nil {
			return err
		}
		if sent >= mailsADay {
			continue
		}
		_, err = mail.Send(ctx, tx, k.Box, k.Clock.Now(), orgID, mail.Mail{
			To: transport.Address{Name: m.Name, Address: m.Email}, Locale: cmp.Or(m.Locale, org.Locale.Of(o.Settings)),
			Key: news.cause + "/" + m.ID.String(), Content: content,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// wholeDays returns how many whole days are left.
func wholeDays(until, now time.Time) int { return max(0, int(until.Sub(now)/(24*time.Hour))) }

// tellOfPause tells those who may change audit streams that one was paused, because the
// other side has denied access.
func (k Kinds) tellOfPause(ctx context.Context, tx pg.Tx, org id.Org, s stream.Stream) error {
	return k.tell(ctx, tx, org, told{
		may: auth.AuditStreamsWrite, cause: "stream_paused/" + s.ID.String() + "/" + s.PausedAt.UTC().Format(time.RFC3339Nano),
		content: func(organization string) template.Content {
			return template.AuditStreamPaused.With(template.AuditStreamPausedData{
				Organization: organization, Stream: s.Name, PausedAt: *s.PausedAt, LastError: *s.LastError,
			})
		},
	})
}
