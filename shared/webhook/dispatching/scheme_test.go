package dispatching_test

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
	"portico/shared/webhook/signing"
)

// Standard Webhooks' own library accepts a delivery by the scheme standard with
// either secret of a rotation, and with no other.
func TestStandardVerifies(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, old := e.endpoint(rec.URL, "*")
	e.setOptions(endpoint, webhook.OptionsChange{SignatureScheme: new(signing.SchemeStandard)})
	fresh := signing.NewSecret()
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
		{"another secret", signing.NewSecret(), string(r.Body), false},
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
	public := e.setOptions(endpoint, webhook.OptionsChange{SignatureScheme: new(signing.SchemeStandardAsymmetric)}).PublicKey
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
