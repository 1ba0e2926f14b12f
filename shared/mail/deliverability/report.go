package deliverability

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Look asks SES and DNS, all at the same time and for five seconds at most. What does
// not answer is a problem of the report, not an error. A nil resolver is this
// machine's.
func Look(ctx context.Context, resolver *net.Resolver, s Setup) Report {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	var (
		r        Report
		domains  = s.domains()
		problems = make([]string, len(domains))
		account  []string
		group    sync.WaitGroup
	)
	for i := range domains {
		group.Go(func() { problems[i] = s.lookAt(ctx, resolver, &domains[i]) })
	}
	if s.Transport() == SES {
		group.Go(func() { r.Account, account = s.account(ctx) })
	}
	group.Wait()
	switch s.Transport() {
	case None:
		r.Problems = append(r.Problems, "Mail does not leave: deploy with MailDomain to send through SES, or with MailSecret to send through SMTP or Resend.")
	case Own:
		r.Problems = append(r.Problems, s.aboutOwn())
	}
	r.Domains, r.Problems = domains, append(r.Problems, account...)
	for _, p := range problems {
		if p != "" {
			r.Problems = append(r.Problems, p)
		}
	}
	return r
}

func (s Setup) aboutOwn() string {
	if s.Domain == "" {
		return "MailDomain is not set, so no DNS records are known. See with your SMTP or Resend service which ones the domain of MailFrom needs."
	}
	return "Mail is sent through the service that MailSecret names, so the account at SES is not asked. The records below are those that sending through SES needs; see with that service which ones the domain of MailFrom needs."
}

func (s Setup) domains() []Domain {
	if s.Domain == "" {
		return nil
	}
	return []Domain{{Name: "mail." + s.Domain, Stream: "product"}, {Name: "news." + s.Domain, Stream: "marketing"}}
}

// lookAt fills in a domain, and returns what is wrong beyond its records.
func (s Setup) lookAt(ctx context.Context, resolver *net.Resolver, d *Domain) (problem string) {
	var (
		dkim  []Record
		other = s.wanted(d.Name)
		group sync.WaitGroup
	)
	for i := range other {
		group.Go(func() { other[i].look(ctx, resolver) })
	}
	identity, err := s.Identity(ctx, d.Name)
	switch {
	case err != nil:
		problem = fmt.Sprintf("SES did not say which DKIM records %s needs, so they are not listed. Ask again; if it stays so, see whether the function may ask SES, and the status of SES at AWS.", d.Name)
	case identity == nil:
		problem = fmt.Sprintf("SES does not know %s. Deploy again: the stack of mail makes the identity.", d.Name)
	default:
		d.Verified, dkim = &identity.Verified, wantedKeys(d.Name, identity.Tokens)
		if !identity.Verified {
			problem = fmt.Sprintf("SES has not verified %s, and accepts no mail from it. Make the DKIM records; SES looks for them for 72 hours.", d.Name)
		}
	}
	for i := range dkim {
		group.Go(func() { dkim[i].look(ctx, resolver) })
	}
	group.Wait()
	d.Records = append(dkim, other...)
	return problem
}

// nearQuota is the share of the daily quota from which on it is a problem; marketing
// stops there.
const nearQuota = 0.9

func (s Setup) account(ctx context.Context) (*Account, []string) {
	a, err := s.Account(ctx)
	if err != nil {
		return nil, []string{"SES did not answer about the account. Ask again; if it stays so, see whether the function may ask SES, and the status of SES at AWS."}
	}
	var problems []string
	if a.Sandbox {
		problems = append(problems, "The account is in SES's sandbox: only addresses that SES has verified get mail. Ask AWS for production access in the SES console.")
	}
	if a.Enforcement != "HEALTHY" {
		problems = append(problems, fmt.Sprintf("SES's state of the account is %s, because of bounces or complaints. Read AWS's case in the SES console, and stop what causes them.", a.Enforcement))
	}
	if !a.Sending {
		problems = append(problems, "SES accepts no mail: sending is switched off for the account. Read AWS's case in the SES console.")
	}
	if a.PerDay >= 0 && a.Sent >= nearQuota*a.PerDay {
		problems = append(problems, fmt.Sprintf("%.0f of the %.0f mails that SES allows in 24 hours are sent. Ask AWS for a higher quota.", a.Sent, a.PerDay))
	}
	return &a, problems
}
