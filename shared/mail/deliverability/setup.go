// Package deliverability says whether mail can arrive: it compares the DNS records that
// the sending domains need with those that are found, and asks SES about the account.
package deliverability

import (
	"context"
	"time"
)

// The services through which mail leaves.
const (
	SES = "ses"
	// Own is the operator's SMTP server or Resend. Which of them is in the secret with
	// the access, which only the jobs that send can read.
	Own  = "smtp_or_resend"
	None = "none"
)

// Setup says how mail leaves. The zero value: it does not.
type Setup struct {
	Domain    string // mail is sent from mail.<Domain> and news.<Domain>; "": nothing is made at SES
	Region    string // of SES
	OwnServer bool   // mail is sent through SMTP or Resend instead of SES
	// Policy and Reports are the wanted p and rua of DMARC; Reports may be empty.
	Policy, Reports string
	// Account and Identity ask SES; they are set if Domain is. An identity that SES
	// does not know is nil.
	Account  func(context.Context) (Account, error)
	Identity func(ctx context.Context, domain string) (*Identity, error)
}

// Transport returns SES, Own or None.
func (s Setup) Transport() string {
	switch {
	case s.OwnServer:
		return Own
	case s.Domain != "":
		return SES
	}
	return None
}

// Account is what SES allows the account, see transport.Account.
type Account struct {
	PerSecond, PerDay, Sent float64 // PerDay is negative if there is no bound
	Sandbox, Sending        bool
	Enforcement             string
}

// Identity is what SES says about a domain, see transport.Identity.
type Identity struct {
	Verified bool
	Tokens   []string
}

// Report is what was found.
type Report struct {
	Account *Account // nil: mail is not sent through SES, or SES did not answer
	Domains []Domain
	// Problems are those beyond the records, each with what to do.
	Problems []string
}

// Domain is one from which mail is sent.
type Domain struct {
	Name, Stream string
	Verified     *bool // nil: SES did not say
	Records      []Record
}

// bound is how long all questions to SES and DNS may take together.
const bound = 5 * time.Second
