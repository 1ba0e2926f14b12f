package transport

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
)

// Account is what SES says about the account.
type Account struct {
	PerSecond float64 // recipients to whom mail may be sent per second
	PerDay    float64 // the same for 24 hours; negative: any number
	Sent      float64 // to how many it was sent in the last 24 hours
	Sandbox   bool    // only addresses that SES has verified get mail
	Sending   bool    // SES accepts mail
	// Enforcement is HEALTHY, PROBATION (SES watches the account) or SHUTDOWN.
	Enforcement string
}

// Account asks SES how much may be sent.
func (s *SES) Account(ctx context.Context) (Account, error) {
	out, err := s.client.GetAccount(ctx, &sesv2.GetAccountInput{})
	switch {
	case err != nil:
		return Account{}, err
	case out.SendQuota == nil || out.SendQuota.MaxSendRate <= 0:
		return Account{}, errors.New("SES did not say how much may be sent")
	}
	q := out.SendQuota
	return Account{
		PerSecond: q.MaxSendRate, PerDay: q.Max24HourSend, Sent: q.SentLast24Hours,
		Sandbox: !out.ProductionAccessEnabled, Sending: out.SendingEnabled, Enforcement: aws.ToString(out.EnforcementStatus),
	}, nil
}

// Identity is what SES says about a domain from which mail is sent.
type Identity struct {
	Verified bool     // SES accepts mail from it
	Tokens   []string // the first labels of its DKIM records
}

// Identity asks SES about a domain. If SES does not know it, the answer is nil.
func (s *SES) Identity(ctx context.Context, domain string) (*Identity, error) {
	out, err := s.client.GetEmailIdentity(ctx, &sesv2.GetEmailIdentityInput{EmailIdentity: &domain})
	var missing *types.NotFoundException
	switch {
	case errors.As(err, &missing):
		return nil, nil
	case err != nil:
		return nil, err
	case out.DkimAttributes == nil || len(out.DkimAttributes.Tokens) == 0:
		return nil, errors.New("SES did not say which DKIM records it wants")
	}
	return &Identity{Verified: out.VerifiedForSendingStatus, Tokens: out.DkimAttributes.Tokens}, nil
}
