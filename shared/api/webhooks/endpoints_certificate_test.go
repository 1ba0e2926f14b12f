package webhooks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/clock"
	"portico/shared/testkit"
)

// strong makes a key that a client certificate may have.
func strong(t *testing.T, kind string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "RSA":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "Ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key = testkit.ECDSA(t)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A certificate that cannot be used is refused on creation and on change. The
// reply names the field and shows nothing of the key.
func TestInvalidClientCertificate(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, authority := h.Organization("Acme"), testkit.NewAuthority(t)
	own, _ := acme.NewEndpoint(`["*"]`)
	year := time.Now().AddDate(1, 0, 0)
	good, key := authority.Issue(testkit.ECDSA(t), year)
	_, other := authority.Issue(testkit.ECDSA(t), year)
	expired, expiredKey := authority.Issue(testkit.ECDSA(t), time.Now().Add(-time.Minute))
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, weakKey := authority.Issue(p224, year)
	rsa1024, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	small, smallKey := authority.Issue(rsa1024, year)
	block, _ := pem.Decode([]byte(key))
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: block.Bytes})
	legacy := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: block.Bytes, Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}})
	garbled := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes})
	shown := strings.Split(key, "\n")[1][20:50] // part of the key that no reply may hold

	const c, k = `body.client_certificate.certificate`, `body.client_certificate.private_key`
	for _, tt := range []struct{ name, options, want string }{
		{"no key", apitest.ClientCertificate(good, ""), k + ` {}`},
		{"no certificate", apitest.ClientCertificate("", key), c + ` {}`},
		{"only a certificate named", `"client_certificate":{"certificate":"x"}`, k},
		{"a certificate that is no PEM", apitest.ClientCertificate("garbage", key), c + ` BEGIN`},
		{"a key that is no PEM", apitest.ClientCertificate(good, "garbage"), k + ` BEGIN`},
		{"the key in the certificate's place", apitest.ClientCertificate(key, key), c},
		{"the key behind the certificate", apitest.ClientCertificate(good+key, key), c},
		{"a certificate in the key's place", apitest.ClientCertificate(good, good), k},
		{"a certificate of random bytes", apitest.ClientCertificate(string(garbled), key), c},
		{"a second certificate of random bytes", apitest.ClientCertificate(good+string(garbled), key), c + ` 2`},
		{"another certificate's key", apitest.ClientCertificate(good, other), k + ` belong`},
		{"two keys", apitest.ClientCertificate(good, key+other), k + ` one`},
		{"an encrypted key", apitest.ClientCertificate(good, string(encrypted)), k + ` passphrase`},
		{"a key encrypted as of old", apitest.ClientCertificate(good, string(legacy)), k + ` passphrase`},
		{"an expired certificate", apitest.ClientCertificate(expired, expiredKey), c + ` expired`},
		{"RSA of 1,024 bits", apitest.ClientCertificate(small, smallKey), c + ` 2048`},
		{"ECDSA on P-224", apitest.ClientCertificate(weak, weakKey), c + ` P-256`},
		{"eleven certificates", apitest.ClientCertificate(strings.Repeat(good, 11), key), c + ` 10`},
		{"a certificate that is too long", apitest.ClientCertificate(good+strings.Repeat("\n", 16<<10), key), c + ` 16384`},
		{"a key that is too long", apitest.ClientCertificate(good, key+strings.Repeat("\n", 8<<10)), k + ` 8192`},
		{"a text", `"client_certificate":` + strings.TrimPrefix(apitest.ClientCertificate(key, ""), `"client_certificate":{"certificate":`)[:len(key)] + `"`, `body`},
		{"a list", `"client_certificate":[]`, `body.client_certificate`},
		{"an unknown member", `"client_certificate":{"key":"x"}`, `body.client_certificate.key`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+","+tt.options+`}`), `422 `+tt.want+` !`+shown)
			apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+own, `{`+tt.options+`}`), `422 `+tt.want+` !`+shown)
		})
	}
	apitest.Want(t, acme.Do("GET", "/v1/webhook-endpoints/"+own, ""), `200 "client_certificate":null`)
	if strings.Contains(h.Lines.String(), shown) {
		t.Error("the private key is logged")
	}
}

// A certificate is shown by its name, issuer, serial number, fingerprint and end,
// from its creation until another replaces it or {} removes it. Its key is in no
// table, reply or log line in plain text.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, authority := h.Organization("Acme"), testkit.NewAuthority(t)
	expires := time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second)
	for _, kind := range []string{"RSA", "ECDSA", "Ed25519"} {
		certificate, key := authority.Issue(strong(t, kind), expires)
		issuer, _ := authority.Issue(strong(t, "ECDSA"), expires)
		block, _ := pem.Decode([]byte(certificate))
		sum := sha256.Sum256(block.Bytes)
		shown := `"subject":"CN=portico,O=Acme" "issuer":"CN=test root" "serial":" "fingerprint_sha256":"` + hex.EncodeToString(sum[:]) +
			`" "expires_at":"` + expires.Format(clock.Form) + `" !private_key !BEGIN`
		made := acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+","+apitest.ClientCertificate("Bag Attributes\n"+certificate+issuer, key)+"}", "Idempotency-Key", kind)
		apitest.Want(t, made, "201 "+shown)
		own := "/v1/webhook-endpoints/" + made.Get(t, "id")
		for _, tt := range []struct{ name, method, body, want string }{
			{"get", "GET", "", "200 " + shown},
			{"change something else", "PATCH", `{"description":"x"}`, "200 " + shown},
			{"null is as if left out", "PATCH", `{"client_certificate":null}`, "200 " + shown},
			{"removed", "PATCH", `{"client_certificate":{}}`, `200 "client_certificate":null`},
			{"removed twice", "PATCH", `{"client_certificate":{}}`, `200 "client_certificate":null`},
			{"set again", "PATCH", "{" + apitest.ClientCertificate(certificate, key) + "}", "200 " + shown},
		} {
			t.Run(kind+", "+tt.name, func(t *testing.T) { apitest.Want(t, acme.Do(tt.method, own, tt.body), tt.want) })
		}
		private, _ := pem.Decode([]byte(key))
		for _, form := range []string{
			strings.Split(key, "\n")[1], base64.StdEncoding.EncodeToString(private.Bytes)[:60], hex.EncodeToString(private.Bytes)[20:80],
		} {
			if rows := apitest.RowsWith(t, h, form); len(rows) != 0 || strings.Contains(h.Lines.String(), form) {
				t.Errorf("%s: the private key is in plain text in %v, or in the log", kind, rows)
			}
		}
	}
}
