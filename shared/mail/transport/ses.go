package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// SES sends through Amazon SES, in one attempt: SES has no idempotency token, so a
// repeated call may send twice, and only the caller can find out.
type SES struct {
	client        *sesv2.Client
	configuration string
}

// NewSES returns a transport that sends with a configuration set.
func NewSES(config aws.Config, configurationSet string) *SES {
	client := sesv2.NewFromConfig(config, func(o *sesv2.Options) { o.Retryer = aws.NopRetryer{} })
	return &SES{client, configurationSet}
}

// Dedupes reports that a repeated call may send the mail twice.
func (s *SES) Dedupes() bool { return false }

// Send returns SES's id of the mail.
func (s *SES) Send(ctx context.Context, m Message) (providerID string, err error) {
	m, err = m.checked()
	if err != nil {
		return "", err
	}
	raw, err := m.mime()
	if err != nil {
		return "", err
	}
	out, err := s.client.SendEmail(ctx, &sesv2.SendEmailInput{
		ConfigurationSetName: &s.configuration,
		Destination:          &types.Destination{ToAddresses: []string{m.To.Address}},
		Content:              &types.EmailContent{Raw: &types.RawMessage{Data: raw}},
		EmailTags:            []types.MessageTag{{Name: aws.String("mail_id"), Value: &m.ID}},
	})
	if err != nil {
		return "", sesFault(err)
	}
	return aws.ToString(out.MessageId), nil
}

// sesFault says what an error of SES means.
func sesFault(err error) error {
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() == 0 { // 0: there was no answer
		if notSent(err) {
			return ErrAway.Because(err)
		}
		return ErrUnknown.Because(err)
	}
	var api smithy.APIError
	code := ""
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	switch status := answer.HTTPStatusCode(); {
	case status == http.StatusTooManyRequests, isThrottling(code, err):
		return throttled(err, answer.Response.Header.Get("Retry-After"), time.Now())
	case code == "MessageRejected", code == "BadRequestException", code == "ValidationException":
		return ErrRefused.Because(err)
	case status >= 500:
		return ErrUnknown.Because(err)
	}
	// The rest is about us: the account is suspended or paused, the identity is not
	// verified, the configuration set is missing, a permission is.
	return ErrAway.Because(err)
}

// isThrottling reports whether SES refuses for now, because of the rate or the daily
// quota. The SDK declares TooManyRequestsException; AWS's guide names ThrottlingException
// for both, and the two messages, which are the same whatever the code.
func isThrottling(code string, err error) bool {
	switch code {
	case "TooManyRequestsException", "LimitExceededException", "ThrottlingException", "Throttling":
		return true
	}
	said := strings.ToLower(err.Error())
	return strings.Contains(said, "maximum sending rate exceeded") || strings.Contains(said, "daily message quota exceeded")
}

// notSent reports whether an error came before the request could be sent.
func notSent(err error) bool {
	var dial *net.OpError
	var name *net.DNSError
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &name)
}
