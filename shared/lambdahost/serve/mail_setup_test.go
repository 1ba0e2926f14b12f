package serve

import (
	"fmt"
	"testing"

	"portico/shared/lambdahost"
)

// The environment says how mail leaves, to the API too. SES is asked only if there is a
// domain.
func TestMailSetup(t *testing.T) {
	for _, tt := range []struct{ domain, secret, want string }{
		{"", "", "none none false"}, {"example.com", "", "ses reject true"}, {"", "arn", "smtp_or_resend none false"}, {"example.com", "arn", "smtp_or_resend reject true"},
	} {
		t.Setenv("MAIL_DOMAIN", tt.domain)
		t.Setenv("MAIL_SECRET", tt.secret)
		t.Setenv("DMARC_POLICY", map[bool]string{true: "reject"}[tt.domain != ""])
		s, err := (&host{&lambdahost.Host{}}).mailSetup()
		if got := fmt.Sprintf("%s %s %t", s.Transport(), s.Policy, s.Identity != nil && s.Account != nil); err != nil || got != tt.want {
			t.Errorf("%+v: %s (%v)", tt, got, err)
		}
	}
}
