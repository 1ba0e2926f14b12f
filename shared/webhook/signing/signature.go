// Package signing signs deliveries, and makes, seals and opens what they are signed
// with.
package signing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// Sign returns the value of Webhook-Signature for a body sent at a time: t=<unix
// seconds>,v1=<hex> with one v1 per secret, so that a receiver accepts the body
// during a rotation with either. v1 is the HMAC-SHA256 of "<t>.<body>" with the
// secret as it was shown, including `whsec_`, as key: the format of Stripe's
// signatures, which Stripe's libraries verify.
func Sign(body []byte, at time.Time, secrets ...string) string {
	head := append(strconv.AppendInt(make([]byte, 0, 24), at.Unix(), 10), '.')
	out := make([]byte, 0, 2+len(head)+len(secrets)*(4+2*sha256.Size))
	out = append(append(out, "t="...), head[:len(head)-1]...)
	for _, s := range secrets {
		mac := hmac.New(sha256.New, []byte(s))
		mac.Write(head)
		mac.Write(body)
		var sum [sha256.Size]byte
		out = append(out, ",v1="...)
		out = hex.AppendEncode(out, mac.Sum(sum[:0]))
	}
	return string(out)
}
