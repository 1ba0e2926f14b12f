package work

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/lambdahost"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
)

// mailEnv says through which service mail is sent, and from where. All of it may be
// empty: then mail ends as failed.
type mailEnv struct {
	// Domain is the one below which SES sends: from mail.<domain> and news.<domain>.
	Domain    string `env:"MAIL_DOMAIN"`
	Product   string `env:"PRODUCT_CONFIGURATION_SET"`
	Marketing string `env:"MARKETING_CONFIGURATION_SET"`
	// Secret names the secret with the access to another service, which is then used
	// instead of SES. From is the address from which it sends.
	Secret string `env:"MAIL_SECRET"`
	From   string `env:"MAIL_FROM"`
	// Public is where the pages behind the links in mails are.
	Public string `env:"PUBLIC_URL"`
}

func (e mailEnv) throughSES() bool { return e.Domain != "" && e.Secret == "" }

const (
	// mailTimeout bounds one mail over SMTP or to Resend.
	mailTimeout = 20 * time.Second
	// smtpPort is the port if none is named: submission with STARTTLS.
	smtpPort = 587
)

// mailSender returns what does the jobs of mail in a queue. Mail is in no other
// queue than high and bulk, so the functions of others have neither the keys nor the
// permission: theirs only knows the kinds.
func (h *host) mailSender(ctx context.Context, q job.Queue) *mail.Sender {
	if q != job.High && q != job.Bulk {
		return &mail.Sender{}
	}
	var (
		e       mailEnv
		sealing lambdahost.SealingEnv
	)
	lambdahost.ExitOn(lambdahost.Read(&e, &sealing))
	box, err := h.Box(sealing)
	lambdahost.ExitOn(err)
	templates, err := template.Repository()
	lambdahost.ExitOn(err)
	s := &mail.Sender{Box: box, Templates: templates, Name: "Portico", Public: e.Public}
	lambdahost.ExitOn(h.useService(ctx, s, e))
	return s
}

// useService sets the service of a sender: the one that a secret names, else SES if
// there is a domain, else none.
func (h *host) useService(ctx context.Context, s *mail.Sender, e mailEnv) error {
	if e.Secret == "" {
		if e.throughSES() {
			product := transport.NewSES(h.AWS, e.Product)
			s.Transports, s.Account = map[template.Stream]mail.Transport{
				template.Product: product, template.Marketing: transport.NewSES(h.AWS, e.Marketing),
			}, product.Account
			s.List = transport.NewSuppressionList(h.AWS)
			s.From = map[template.Stream]string{template.Product: "notices@mail." + e.Domain, template.Marketing: "news@news." + e.Domain}
		}
		return nil
	}
	if err := transport.CheckAddress(e.From); err != nil {
		return fmt.Errorf("MAIL_FROM, which MAIL_SECRET needs, %w", err)
	}
	text, err := h.ReadMailSecret(ctx, e.Secret)
	if err != nil {
		return err
	}
	service, err := mailService(text)
	if err != nil {
		return fmt.Errorf("MAIL_SECRET: %w", err)
	}
	s.Transports = map[template.Stream]mail.Transport{template.Product: service, template.Marketing: service}
	s.From = map[template.Stream]string{template.Product: e.From, template.Marketing: e.From}
	return nil
}

// mailService returns the service to which a secret gives access. Errors do not quote
// the secret.
func mailService(text []byte) (mail.Transport, error) {
	var to lambdahost.MailSecret
	if json.Unmarshal(text, &to) != nil {
		return nil, lambdahost.ErrMailSecret
	}
	switch {
	case to.SMTP != nil && to.Resend == nil && to.SMTP.Host != "":
		return transport.NewSMTP(transport.SMTPServer{
			Host: to.SMTP.Host, Port: cmp.Or(to.SMTP.Port, smtpPort), Username: to.SMTP.Username, Password: to.SMTP.Password, Timeout: mailTimeout,
		})
	case to.Resend != nil && to.SMTP == nil && to.Resend.APIKey != "":
		return transport.NewResend(to.Resend.APIKey, "", mailTimeout)
	}
	return nil, lambdahost.ErrMailSecret
}

// exportURL returns where the API shows an export of the audit log; nil: the address of
// the pages, which is the API's, is not known.
func exportURL(public string) func(id.AuditExport) string {
	if public == "" {
		return nil
	}
	return func(export id.AuditExport) string { return public + "/v1/audit-exports/" + export.String() }
}
