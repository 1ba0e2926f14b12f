package serve

import (
	"context"

	"portico/shared/api/edge"
	"portico/shared/lambdahost"
	"portico/shared/mail/deliverability"
	"portico/shared/mail/feedback"
	"portico/shared/mail/transport"
)

// MailAPI is API for operations on mail: it knows how mail leaves, sends none, and
// applies what is reported about it.
func MailAPI(operations ...edge.Operation) {
	serve(special{mail: func(h *host, s *edge.Server) (err error) {
		desk := &feedback.Desk{DB: s.DB, Wakers: s.Wakers, Subscriptions: s.Subscriptions, Clock: h.Clock, Log: h.Log}
		s.Report = desk.Apply
		s.Mail, err = h.mailSetup()
		return err
	}}, operations)
}

// mailSetup reads how mail leaves. It does not read the secret with the access to a
// service, only whether there is one.
func (h *host) mailSetup() (deliverability.Setup, error) {
	var (
		e struct {
			Domain string `env:"MAIL_DOMAIN"`
			Secret string `env:"MAIL_SECRET"`
		}
		dmarc struct {
			Policy  string `env:"DMARC_POLICY" envDefault:"none"`
			Reports string `env:"DMARC_REPORTS"`
		}
	)
	if err := lambdahost.Read(&e, &dmarc); err != nil {
		return deliverability.Setup{}, err
	}
	s := deliverability.Setup{Domain: e.Domain, Region: h.AWS.Region, OwnServer: e.Secret != "", Policy: dmarc.Policy, Reports: dmarc.Reports}
	if s.Domain == "" {
		return s, nil
	}
	ses := transport.NewSES(h.AWS, "")
	s.Account = func(ctx context.Context) (deliverability.Account, error) {
		a, err := ses.Account(ctx)
		return deliverability.Account(a), err
	}
	s.Identity = func(ctx context.Context, domain string) (*deliverability.Identity, error) {
		i, err := ses.Identity(ctx, domain)
		return (*deliverability.Identity)(i), err
	}
	return s, nil
}
