package signing_test

import (
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76/webhook"

	"portico/shared/webhook/signing"
)

// Fixed vectors, computed with Python's hmac and hashlib.
func TestSign(t *testing.T) {
	const one, two = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	for _, tt := range []struct {
		name    string
		body    string
		at      int64
		secrets []string
		want    string
	}{
		{"one secret", `{"test": 2432232314}`, 1614265330, []string{one}, "t=1614265330,v1=2e37df5d4a028c51a7f3133d64ae1e300d2c2c900f1b1d49d4369ad2530f8964"},
		{"two secrets, the order kept", `{"test": 2432232314}`, 1614265330, []string{two, one}, "t=1614265330,v1=95d993ff26ccd698cc4b6d4f2349bddca4f491f3067821823cd5b804f3aef1b6,v1=2e37df5d4a028c51a7f3133d64ae1e300d2c2c900f1b1d49d4369ad2530f8964"},
		{"an empty body at the epoch", "", 0, []string{"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, "t=0,v1=e3c3bdbf81bb68b630a50f2dd5278bf2f58bc825a32b3aeb5aa3130dc20626fe"},
	} {
		if got := signing.Sign([]byte(tt.body), time.Unix(tt.at, 999), tt.secrets...); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Stripe's verifier accepts either of two secrets, and refuses a changed body,
// another secret and an old time.
func TestStripeVerifies(t *testing.T) {
	body, now := []byte(`{"id":"evt_1"}`), time.Now()
	header := signing.Sign(body, now, "whsec_new", "whsec_old")
	for _, tt := range []struct {
		name, body, header, secret string
		valid                      bool
	}{
		{"the new secret", string(body), header, "whsec_new", true},
		{"the old secret", string(body), header, "whsec_old", true},
		{"another secret", string(body), header, "whsec_other", false},
		{"a changed body", `{"id":"evt_2"}`, header, "whsec_new", false},
		{"an old time", string(body), signing.Sign(body, now.Add(-6*time.Minute), "whsec_new"), "whsec_new", false},
	} {
		if err := stripe.ValidatePayload([]byte(tt.body), tt.header, tt.secret); (err == nil) != tt.valid {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
