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

// welcome sends a new member a mail, in the organization's language. An address that
// no mail can be sent to gets none: it may still be how the member is known.
func welcome(c *edge.Call, m member.Member, role string) error {
	if transport.CheckAddress(m.Email) != nil {
		return nil
	}
	o, err := org.Get(c, c.Tx, c.Org)
	if err != nil {
		return err
	}
	_, err = mail.Send(c, c.Tx, c.Box, c.Now(), c.Org, mail.Mail{
		To:     transport.Address{Name: m.Name, Address: m.Email},
		Locale: org.Locale.Of(o.Settings),
		Key:    "member/" + m.ID.String(),
		Content: template.MemberAdded.With(template.MemberAddedData{
			Organization: cmp.Or(o.Branding.DisplayName, o.Name), Role: role,
		}),
	})
	return err
}
