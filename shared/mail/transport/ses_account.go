package transport

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"
)

// Account is what SES says about the account.
type Account struct {
	PerSecond float64 // recipients to whom mail may be sent per second
	PerDay    float64 // the same for 24 hours; negative: any number
	Sent      float64 // to how many it was sent in the last 24 hours
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
	return Account{PerSecond: q.MaxSendRate, PerDay: q.Max24HourSend, Sent: q.SentLast24Hours}, nil
}
