package apitest

import (
	"context"

	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/pg"
)

// NewMail sends a mail of the organization, which waits in the log. The key may be
// used once.
func (c Caller) NewMail(to, key string) (made id.Mail) {
	c.T.Helper()
	c.InOrg(c.T, c.Org, func(ctx context.Context, tx pg.Tx) (err error) {
		made, err = mail.Send(ctx, tx, c.Server.Box, c.Clock.Now(), c.Org, mail.Mail{
			To: transport.Address{Name: "Ada", Address: to}, Locale: "en", Key: key,
			Content: template.MemberAdded.With(template.MemberAddedData{Organization: "Acme", Role: "Developer"}),
		})
		return err
	})
	return made
}
