package signing_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"testing"
	"time"

	"portico/shared/webhook/signing"
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
		if got, err := signing.SignStandard(vectorEvent, vectorTime, []byte(vectorBody), tt.secrets...); got != tt.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
	if got, err := signing.SignStandard(vectorEvent, vectorTime, nil, "whsec_!"); err == nil {
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
	if got := signing.SignAsymmetric(vectorEvent, vectorTime, []byte(vectorBody), key); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := signing.SignAsymmetric(vectorEvent, vectorTime, []byte(vectorBody), key, key); got != want+" "+want {
		t.Errorf("two keys: %s", got)
	}
	public := key.Public().(ed25519.PublicKey)
	if got := signing.ShowPublicKey(public); got != "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=" {
		t.Errorf("public key %s", got)
	}
}

// RFC 8037, appendix A.3.
func TestThumbprint(t *testing.T) {
	key, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	if err != nil {
		t.Fatal(err)
	}
	if got := signing.Thumbprint(key); got != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("thumbprint %s", got)
	}
}
