package people

import (
	"cmp"

	"portico/shared/api/edge"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/member"
	"portico/shared/org"
)

// welcomesADay bounds how many of these mails an organization sends in 24 hours, so
// that it cannot send mail to any number of addresses by adding them as members.
const welcomesADay = 100

// welcome sends a new member a mail, in the member's language, else the
// organization's. An address that no mail can be sent to gets none: it may still be how
// the member is known.
func welcome(c *edge.Call, m member.Member, role string) error {
	if transport.CheckAddress(m.Email) != nil {
		return nil
	}
	sent, err := mail.Recent(c, c.Tx, c.Org, template.MemberAdded.Name, "", welcomesADay)
	if err != nil || sent >= welcomesADay {
		return err
	}
	o, err := org.Get(c, c.Tx, c.Org)
	if err != nil {
		return err
	}
	_, err = mail.Send(c, c.Tx, c.Box, c.Now(), c.Org, mail.Mail{
		To:     transport.Address{Name: m.Name, Address: m.Email},
		Locale: cmp.Or(m.Locale, org.Locale.Of(o.Settings)),
		Key:    "member/" + m.ID.String(),
		Content: template.MemberAdded.With(template.MemberAddedData{
			Organization: cmp.Or(o.Branding.DisplayName, o.Name), Role: role,
		}),
	})
	return err
}
