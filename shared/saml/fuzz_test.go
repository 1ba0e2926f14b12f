package saml_test

import (
	"encoding/base64"
	"errors"
	"testing"

	"portico/shared/saml"
)

// Whatever arrives is refused with a code, or is a response that our provider has signed.
func FuzzVerify(f *testing.F) {
	ours, _ := two(f)
	c := connection(ours)
	good := answer()
	f.Add([]byte(ours.sign(f, good, how{keyInfo: ours.named()})))
	f.Add([]byte(ours.signBoth(f, good)))
	f.Add([]byte(good.text("", "")))
	want, err := c.Verify(form(ours.sign(f, good, how{})), asked, noon)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := c.Verify(base64.StdEncoding.EncodeToString(text), asked, noon)
		var refusal *saml.Error
		if err == nil && got != want || err != nil && (!errors.As(err, &refusal) || refusal.Step() == "") {
			t.Errorf("%+v (%v)", got, err)
		}
	})
}

// Whatever is pasted as metadata is refused with a code, or names a provider.
func FuzzReadMetadata(f *testing.F) {
	ours, _ := two(f)
	f.Add([]byte(metadata(base64.StdEncoding.EncodeToString(ours.cert.Raw))))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := saml.ReadMetadata(text)
		var refusal *saml.Error
		if err == nil && (got.Issuer == "" || got.URL == "" || len(got.Certificates) == 0) || err != nil && (!errors.As(err, &refusal) || refusal.Step() == "") {
			t.Errorf("%+v (%v)", got, err)
		}
	})
}
