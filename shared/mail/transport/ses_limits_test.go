package transport_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"portico/shared/mail/transport"
)

// However SES names it, a mail that is over the rate or the daily quota waits; it is not
// lost.
func TestSESLimits(t *testing.T) {
	t.Parallel()
	const quota, rate = "Daily message quota exceeded.", "Maximum sending rate exceeded."
	for _, tt := range []struct {
		status     int
		code, said string
		want       error
	}{
		{429, "TooManyRequestsException", rate, transport.ErrThrottled},
		{429, "TooManyRequestsException", quota, transport.ErrThrottled},
		{400, "ThrottlingException", rate, transport.ErrThrottled},
		{400, "ThrottlingException", quota, transport.ErrThrottled},
		{400, "LimitExceededException", quota, transport.ErrThrottled},
		{400, "MessageRejected", quota, transport.ErrThrottled},
		{454, "Throttling", "no", transport.ErrThrottled},
		{400, "MessageRejected", "no", transport.ErrRefused},
		{400, "SendingPausedException", "no", transport.ErrAway},
		{400, "AccountSuspendedException", "no", transport.ErrAway},
		{500, "InternalServiceErrorException", "no", transport.ErrUnknown},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-ErrorType", tt.code)
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, `{"message":"`+tt.said+`"}`)
		}))
		_, err := transport.NewSES(config(server.URL), "product").Send(t.Context(), transport.Message{
			ID: "mail_1", At: time.Now(), From: transport.Address{Address: "notices@mail.example.com"}, To: transport.Address{Address: "ada@example.org"},
			Subject: "Hello", HTML: "<p>Hello</p>", Text: "Hello",
		})
		server.Close()
		if !errors.Is(err, tt.want) {
			t.Errorf("%d %s %s: %v, want %v", tt.status, tt.code, tt.said, err, tt.want)
		}
	}
}
