package invitation

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"time"

	"portico/shared/fault"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/secret"
)

// How many invitations are mailed in 24 hours at most, so that nobody fills a mailbox:
// by an organization, by an organization to one address, and to one address by all
// organizations, each time it is made.
const (
	mailsADay     = 100
	toOneADay     = 3
	offersToOne   = 5
	tryAgainAfter = time.Hour
)

var (
	// ErrTooManyMails is returned when an organization has mailed too many invitations, or
	// too many to the address.
	ErrTooManyMails = fault.New(fault.TooMany, "too_many_invitation_mails",
		fmt.Sprintf("An organization can mail %d invitations in 24 hours, %d of them to one address. Try again later.", mailsADay, toOneADay)).
		Means(fmt.Sprintf("An organization can mail %d invitations in 24 hours, %d of them to one address.", mailsADay, toOneADay))
	// ErrNoPages is returned where nobody can sign in yet.
	ErrNoPages = fault.New(fault.Conflict, "sign_in_not_set_up", "Nobody can sign in here yet: whoever runs Portico has to set the parameter PublicUrl.").
			Means("Nobody can sign in at this stage yet: its parameter PublicUrl is not set.")
)

// Mail mails an invitation with the token that opens it. public is the address of the site.
// An address that all organizations together have invited too often gets no mail; the
// organization is not told, and the person finds the invitation after signing in.
func Mail(ctx context.Context, tx pg.Tx, box *secret.Box, public string, o org.Organization, i Invitation, role string, token secret.Token, now time.Time) error {
	if public == "" {
		return ErrNoPages
	}
	for most, recipient := range map[int]string{mailsADay: "", toOneADay: i.Email} {
		sent, err := mail.Recent(ctx, tx, o.ID, template.Invitation.Name, recipient, most)
		if err != nil {
			return err
		}
		if sent >= most {
			tooMany := *ErrTooManyMails
			tooMany.RetryAfter = tryAgainAfter
			return &tooMany
		}
	}
	lately, err := pg.Value[int](ctx, tx, "invitation.Mail: lately", `SELECT invited_lately($1, $2)`, i.Email, offersToOne)
	if err != nil || lately >= offersToOne {
		return err
	}
	if err := pg.Exec(ctx, tx, "invitation.Mail", `UPDATE invitation SET mailed_at = $3 WHERE org_id = $1 AND id = $2`, o.ID, i.ID, now); err != nil {
		return err
	}
	_, err = mail.Send(ctx, tx, box, now, o.ID, mail.Mail{
		To:     transport.Address{Address: i.Email},
		Locale: cmp.Or(i.Locale, org.Locale.Of(o.Settings)),
		Key:    "invitation/" + token.Hash(),
		Content: template.Invitation.With(template.InvitationData{
			Organization: cmp.Or(o.Branding.DisplayName, o.Name), Role: role, InvitedBy: i.Inviter.Name,
			URL: public + Path + "?" + url.Values{"token": {Link{o.ID, token}.Text()}}.Encode(), ExpiresAt: i.ExpiresAt,
		}),
	})
	return err
}
