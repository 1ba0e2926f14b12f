package site

import (
	"fmt"
	"strings"
	"testing"
)

// The key of Resend's webhook is in the secret of Resend, if it reports. What is wrong
// is said without showing the secret.
func TestResendKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"resend":{"api_key":"re_1","webhook_secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZg=="}}`: "16 <nil>",
		`{"resend":{"api_key":"re_1"}}`:                                  "0 <nil>",
		`{"smtp":{"host":"a"}}`:                                          "0 <nil>",
		`{"resend":{"api_key":"re_1","webhook_secret":"whsec_hunter2"}}`: "0 the secret of a webhook of Resend begins with whsec_",
		`hunter2`: "0 it must be JSON",
	} {
		key, err := resendKey([]byte(text))
		if got := fmt.Sprintf("%d %v", len(key), err); !strings.HasPrefix(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
