package jobs

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"portico/shared/audit/export"
	"portico/shared/audit/scheduled"
	"portico/shared/audit/stream"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/member"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/sso/watch"
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

// announceExport tells the member of a schedule that a file is there. The mail has no
// link that works without a key: mails are forwarded, and programs open their links. It
// has the head, with which the file can be verified later.
func (k Kinds) announceExport(ctx context.Context, tx pg.Tx, orgID id.Org, s scheduled.Schedule, e export.Export) (problem string, err error) {
	m, problem, err := k.reader(ctx, tx, orgID, s.To.Member)
	if err != nil || problem != "" {
		return problem, err
	}
	o, err := org.Get(ctx, tx, orgID)
	if err != nil {
		return "", err
	}
	data := template.AuditExportReadyData{
		Organization: cmp.Or(o.Branding.DisplayName, o.Name), Export: e.ID.String(), Period: s.Next.String(), Format: e.Format, Entries: int(e.Entries), FileUntil: e.FileUntil(),
	}
	if e.LastHash != nil {
		data.Head = fmt.Sprintf("%d:%s", *e.LastNumber, hex.EncodeToString(e.LastHash))
	}
	if k.ExportURL != nil {
		data.URL = k.ExportURL(e.ID)
	}
	_, err = mail.Send(ctx, tx, k.Box, k.Clock.Now(), orgID, mail.Mail{
		To: transport.Address{Name: m.Name, Address: m.Email}, Locale: cmp.Or(m.Locale, org.Locale.Of(o.Settings)),
		Key: "export/" + s.ID.String() + "/" + s.Next.String() + "/" + m.ID.String(), Content: template.AuditExportReady.With(data),
	})
	return "", err
}

// reader returns a member who may read the audit log and gets mail, or why there is none,
// for the customer.
func (k Kinds) reader(ctx context.Context, tx pg.Tx, org id.Org, wanted id.Member) (m member.Member, problem string, err error) {
	m, err = member.Get(ctx, tx, org, wanted)
	if errors.Is(err, member.ErrNotFound) {
		return m, "the member was removed: choose another destination", nil
	}
	if err != nil {
		return m, "", err
	}
	r, err := role.Get(ctx, tx, org, m.Role)
	if err != nil {
		return m, "", err
	}
	if !slices.Contains(r.Permissions, auth.AuditLogRead) {
		return m, "the member may not read the audit log: choose another one, or give this one a role that may", nil
	}
	if transport.CheckAddress(m.Email) != nil {
		return m, "the member has no address that mail can be sent to", nil
	}
	reason, err := mail.Suppressed(ctx, tx, m.Email)
	if reason != "" {
		problem = "the member's address gets no mail (" + reason + "): see the log of mails"
	}
	return m, problem, err
}

// tellOfFailingExport tells those who may change schedules that the files of one could not
// be sent for a while.
func (k Kinds) tellOfFailingExport(ctx context.Context, tx pg.Tx, org id.Org, s scheduled.Schedule) error {
	return k.tell(ctx, tx, org, told{
		may: auth.AuditStreamsWrite, cause: "export_failing/" + s.ID.String() + "/" + s.FailingSince.UTC().Format(time.RFC3339Nano),
		content: func(organization string) template.Content {
			return template.AuditExportFailing.With(template.AuditExportFailingData{
				Organization: organization, Schedule: s.ID.String(), Period: s.Next.String(), FailingSince: *s.FailingSince, LastError: *s.LastError,
			})
		},
	})
}

// tellOfSSOCertificates tells those who may change connections, the owners, that the last
// certificate of one ends.
func (k Kinds) tellOfSSOCertificates(ctx context.Context, tx pg.Tx, org id.Org, e watch.Ending) error {
	days := wholeDays(e.EndsAt, k.Clock.Now())
	return k.tell(ctx, tx, org, told{
		may: auth.SSOConnectionsWrite, cause: fmt.Sprintf("sso_certificate/%s/%d/%d", e.ID, e.EndsAt.Unix(), days),
		content: func(organization string) template.Content {
			return template.SSOCertificateExpiring.With(template.SSOCertificateExpiringData{Organization: organization, Connection: e.Name, ExpiresAt: e.EndsAt, Days: days})
		},
	})
}

// tellOfBreakGlass tells the owners that one of them has entered without the enforced
// connection; also that one, whose account somebody else may use.
func (k Kinds) tellOfBreakGlass(ctx context.Context, tx pg.Tx, org id.Org, e watch.Entrance) error {
	m, err := member.Get(ctx, tx, org, e.Member)
	if err != nil && !errors.Is(err, member.ErrNotFound) { // removed meanwhile: the others are still told
		return err
	}
	return k.tell(ctx, tx, org, told{
		may: auth.SSOConnectionsWrite, cause: "break_glass/" + e.Member.String() + "/" + e.At.UTC().Format(time.RFC3339Nano),
		content: func(organization string) template.Content {
			return template.BreakGlassUsed.With(template.BreakGlassUsedData{Organization: organization, Member: cmp.Or(m.Email, e.Member.String()), At: e.At})
		},
	})
}
