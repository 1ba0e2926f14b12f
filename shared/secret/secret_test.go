package secret_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portico/shared/secret"
)

var (
	materialA = strings.Repeat("a", 64)
	materialB = strings.Repeat("b", 64)
)

func parse(t *testing.T, text string) *secret.Box {
	t.Helper()
	box, err := secret.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func keyring(t *testing.T, current string) *secret.Box {
	t.Helper()
	return parse(t, fmt.Sprintf(`{"current":%q,"1":%q,"2":%q}`, current, materialA, materialB))
}

// A value opens in the context in which it was sealed. Sealing it twice gives
// different bytes, so equal values cannot be recognized.
func TestRoundTrip(t *testing.T) {
	box := keyring(t, "1")
	rapid.Check(t, func(t *rapid.T) {
		plain, context := rapid.SliceOf(rapid.Byte()).Draw(t, "plain"), rapid.String().Draw(t, "context")
		sealed := box.Seal(plain, context)
		if got, err := box.Open(sealed, context); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("opened as %q, %v", got, err)
		}
		if bytes.Equal(sealed, box.Seal(plain, context)) {
			t.Fatal("sealed to the same bytes twice")
		}
		if len(plain) >= 8 && bytes.Contains(sealed, plain) {
			t.Fatal("the plain text shows")
		}
	})
}

// golden was sealed by Python's cryptography (AESGCM) with the key
// SHA-256("portico sealing key\n" + 64 × "a") and the nonce 00 01 … 0b. The form
// must not change; otherwise stored values cannot be opened.
const golden = "01" + "000102030405060708090a0b" + "2eb5de43794c97142958fc1d7d5223cc11599d8c948aac90a88cc6744a"

// The stored form is version, nonce, ciphertext and tag.
func TestStoredForm(t *testing.T) {
	sealed, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := keyring(t, "2").Open(sealed, "org_1/row_1"); err != nil || string(got) != "whsec_example" {
		t.Errorf("opened as %q, %v", got, err)
	}
}

// A sealed value cannot be opened in another context, or after any change.
func TestTampering(t *testing.T) {
	box := keyring(t, "1")
	sealed := box.Seal([]byte("whsec_example"), "org_1/row_1")
	refuse := func(what string, sealed []byte, context string) {
		t.Helper()
		if got, err := box.Open(sealed, context); !errors.Is(err, secret.ErrSealed) || got != nil {
			t.Errorf("%s: opened as %q, %v", what, got, err)
		}
	}
	for _, context := range []string{"", "org_1/row_2", "org_2/row_1", "org_1/row_1 "} {
		refuse(fmt.Sprintf("context %q", context), sealed, context)
	}
	for i := range len(sealed) * 8 {
		flipped := bytes.Clone(sealed)
		flipped[i/8] ^= 1 << (i % 8)
		refuse(fmt.Sprintf("bit %d flipped", i), flipped, "org_1/row_1")
	}
	for n := range sealed {
		refuse(fmt.Sprintf("cut to %d bytes", n), sealed[:n], "org_1/row_1")
	}
	refuse("a byte added", append(bytes.Clone(sealed), 0), "org_1/row_1")
}

// After a rotation the new key seals and the old one still opens. A box without
// the old key cannot open its values.
func TestRotation(t *testing.T) {
	before := parse(t, fmt.Sprintf(`{"current":"1","1":%q}`, materialA))
	during := keyring(t, "2")
	after := parse(t, fmt.Sprintf(`{"current":"2","2":%q}`, materialB))
	old, fresh := before.Seal([]byte("old"), "c"), during.Seal([]byte("new"), "c")
	for _, c := range []struct {
		name   string
		box    *secret.Box
		sealed []byte
		opens  bool
	}{
		{"the old key's value during the rotation", during, old, true},
		{"the new key's value during the rotation", during, fresh, true},
		{"the new key's value after it", after, fresh, true},
		{"the old key's value after it", after, old, false},
		{"the new key's value before it", before, fresh, false},
	} {
		if _, err := c.box.Open(c.sealed, "c"); (err == nil) != c.opens {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if old[0] != 1 || fresh[0] != 2 {
		t.Errorf("sealed under versions %d and %d, want 1 and 2", old[0], fresh[0])
	}
}

// A sealing secret that cannot work, or is weak, prevents the start, and the
// error shows no key.
func TestMalformedConfiguration(t *testing.T) {
	short := strings.Repeat("s", 42)
	for name, text := range map[string]string{
		"nothing":                 ``,
		"no JSON":                 `hello`,
		"a list":                  `[]`,
		"null":                    `null`,
		"an empty object":         `{}`,
		"nested keys":             `{"current":"1","keys":{"1":"` + materialA + `"}}`,
		"a number as key":         `{"current":"1","1":5}`,
		"no current":              `{"1":"` + materialA + `"}`,
		"current names no key":    `{"current":"2","1":"` + materialA + `"}`,
		"current is not a number": `{"current":"one","1":"` + materialA + `"}`,
		"current is 0":            `{"current":"0","1":"` + materialA + `"}`,
		"version 0":               `{"current":"1","0":"` + materialB + `","1":"` + materialA + `"}`,
		"version 256":             `{"current":"1","256":"` + materialB + `","1":"` + materialA + `"}`,
		"a negative version":      `{"current":"1","-1":"` + materialB + `","1":"` + materialA + `"}`,
		"a version, not a number": `{"current":"1","old":"` + materialB + `","1":"` + materialA + `"}`,
		"one version, two names":  `{"current":"1","01":"` + materialB + `","1":"` + materialA + `"}`,
		"a short key":             `{"current":"1","1":"` + short + `"}`,
		"an empty old key":        `{"current":"2","1":"","2":"` + materialA + `"}`,
	} {
		box, err := secret.Parse([]byte(text))
		if err == nil || box != nil {
			t.Errorf("%s was accepted: %s", name, text)
			continue
		}
		for _, material := range []string{materialA, materialB, short} {
			if strings.Contains(err.Error(), material) {
				t.Errorf("%s: the error shows a key: %v", name, err)
			}
		}
	}
	parse(t, `{"current":"255","255":"`+materialA[:43]+`"}`) // the least that is accepted
}

// A code depends on version, key and text. It was made by Python's hmac with the key
// SHA-256("portico mac key\n" + material): passwords depend on it, so it must not change.
func TestMAC(t *testing.T) {
	const material = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"
	box := parse(t, `{"current":"2","1":"`+material+`","2":"`+materialB+`"}`)
	first, err := box.MAC(1, []byte("text"))
	if err != nil || hex.EncodeToString(first) != "8be2eacd24eef5373c2e21a8d01c77ae5d722781f7aabb213e002897fe0feef2" {
		t.Errorf("%x, %v", first, err)
	}
	if second, err := box.MAC(box.Current(), []byte("text")); err != nil || bytes.Equal(first, second) || box.Current() != 2 {
		t.Errorf("under version %d: %x, %v", box.Current(), second, err)
	}
	if mac, err := box.MAC(3, []byte("text")); err == nil {
		t.Errorf("a version that is not there made %x", mac)
	}
}
