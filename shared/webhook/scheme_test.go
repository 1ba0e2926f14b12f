package webhook_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// The vectors of Standard Webhooks' own libraries.
const (
	vectorEvent = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorBody  = `{"test": 2432232314}`
	vectorKey   = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)

var vectorTime = time.Unix(1614265330, 999)

// v1 is one signature per secret, in their order.
func TestSignStandard(t *testing.T) {
	const one, two = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	const signedOne, signedTwo = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1,78nXHjpFP0tVJQW5D0SBwmVyyW87BV/rL6MgfM/Bw44="
	for _, tt := range []struct {
		name    string
		secrets []string
		want    string
	}{
		{"one secret", []string{one}, signedOne},
		{"two secrets", []string{two, one}, signedTwo + " " + signedOne},
	} {
		if got, err := webhook.SignStandard(vectorEvent, vectorTime, []byte(vectorBody), tt.secrets...); got != tt.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
	if got, err := webhook.SignStandard(vectorEvent, vectorTime, nil, "whsec_!"); err == nil {
		t.Errorf("signed with a secret that is no base64: %s", got)
	}
}

// v1a is one Ed25519 signature per key, and the public key has its published form.
func TestSignAsymmetric(t *testing.T) {
	raw, err := base64.StdEncoding.DecodeString(vectorKey)
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.PrivateKey(raw)
	const want = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
	if got := webhook.SignAsymmetric(vectorEvent, vectorTime, []byte(vectorBody), key); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := webhook.SignAsymmetric(vectorEvent, vectorTime, []byte(vectorBody), key, key); got != want+" "+want {
		t.Errorf("two keys: %s", got)
	}
	public := key.Public().(ed25519.PublicKey)
	if got := webhook.ShowPublicKey(public); got != "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=" {
		t.Errorf("public key %s", got)
	}
}

// RFC 8037, appendix A.3.
func TestThumbprint(t *testing.T) {
	key, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	if err != nil {
		t.Fatal(err)
	}
	if got := webhook.Thumbprint(key); got != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("thumbprint %s", got)
	}
}

// Standard Webhooks' own library accepts a delivery by the scheme standard with
// either secret of a rotation, and with no other.
func TestStandardVerifies(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, old := e.endpoint(rec.URL, "*")
	e.setOptions(endpoint, webhook.OptionsChange{SignatureScheme: new(webhook.SchemeStandard)})
	fresh := webhook.NewSecret()
	e.InOrg(t, e.org, func(ctx context.Context, tx pg.Tx) error {
		_, err := webhook.RotateSecret(ctx, tx, e.org, endpoint, fresh, time.Hour, e.Clock.Now(), e.box)
		return err
	})
	event := e.publish(`{"a":1}`)[0]
	e.dispatch()
	r := rec.All()[0]
	for _, tt := range []struct {
		name, secret string
		body         string
		valid        bool
	}{
		{"the new secret", fresh, string(r.Body), true},
		{"the old secret", old, string(r.Body), true},
		{"another secret", webhook.NewSecret(), string(r.Body), false},
		{"a changed body", fresh, `{"a":2}`, false},
	} {
		verifier, err := standard.NewWebhook(tt.secret)
		testkit.Must(t, err)
		if err := verifier.Verify([]byte(tt.body), r.Header); (err == nil) != tt.valid {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	signature := r.Header.Get("Webhook-Signature")
	if r.Header.Get("Webhook-Id") != event.ID.String() || strings.Count(signature, "v1,") != 2 || strings.Contains(signature, "t=") {
		t.Errorf("header %v", r.Header)
	}
}

// A delivery with the scheme standard_asymmetric verifies with the endpoint's
// public key. The private key is nowhere stored in clear.
func TestAsymmetricVerifies(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, secret := e.endpoint(rec.URL, "*")
	public := e.setOptions(endpoint, webhook.OptionsChange{SignatureScheme: new(webhook.SchemeStandardAsymmetric)}).PublicKey
	e.publish(`{"a":1}`)
	e.dispatch()
	r := rec.All()[0]
	encoded, ok := strings.CutPrefix(r.Header.Get("Webhook-Signature"), "v1a,")
	signature, err := base64.StdEncoding.DecodeString(encoded)
	content := r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "." + string(r.Body)
	if !ok || err != nil || !ed25519.Verify(public, []byte(content), signature) {
		t.Errorf("not valid: %v", r.Header)
	}
	verifier, err := standard.NewWebhook(secret)
	testkit.Must(t, err)
	if verifier.Verify(r.Body, r.Header) == nil {
		t.Error("signed with the shared secret too")
	}
	sealed := testkit.Value[[]byte](t, e.Database, `SELECT sealed_key FROM webhook_endpoint`)
	seed, err := e.box.Open(sealed, "webhook_signing_key/"+e.org.String()+"/"+endpoint.String())
	if err != nil || !ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey).Equal(public) {
		t.Errorf("the private key is not sealed: %v", err)
	}
}
