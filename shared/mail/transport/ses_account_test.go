package transport_test

import (
	"testing"

	local "portico/infra/local/aws"
	"portico/infra/local/aws/awstest"
	"portico/shared/mail/transport"
)

// SES says how much may be sent; if it does not answer, that is an error.
func TestSESAccount(t *testing.T) {
	t.Parallel()
	services, url := awstest.Server(t)
	services.SetAccount(local.Account{Max24HourSend: 200, MaxSendRate: 14, Enforcement: "HEALTHY"})
	got, err := transport.NewSES(config(url), "product").Account(t.Context())
	if want := (transport.Account{PerSecond: 14, PerDay: 200, Sending: true, Enforcement: "HEALTHY"}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := transport.NewSES(config("http://127.0.0.1:1"), "product").Account(t.Context()); err == nil {
		t.Error("SES is away, and there is no error")
	}
}
