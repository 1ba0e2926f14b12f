// Package totp makes the keys of authenticator apps and checks their codes (RFC 6238):
// SHA-1, six digits, a new code every 30 seconds, which is what every app knows.
package totp

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp/hotp"
)

// Key is what an app and we have in common.
type Key [20]byte

// stepSeconds is how long a code is shown.
const stepSeconds = 30

// New draws a key.
func New() (k Key) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// Text returns the key in base32, as people type it into an app.
func (k Key) Text() string { return base32.StdEncoding.EncodeToString(k[:]) }

// URL returns what a QR code tells an app: the key, and the names under which the app
// shows it.
func (k Key) URL(issuer, account string) string {
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + account, RawQuery: url.Values{"secret": {k.Text()}, "issuer": {issuer}}.Encode()}
	return u.String()
}

// Image is a QR code: a square of Size by Size dots, of which those of Path, in the
// language of SVG, are dark.
type Image struct {
	Size int
	Path string
}

// Draw returns a text as a QR code.
func Draw(text string) (Image, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return Image{}, fmt.Errorf("totp: draw: %w", err)
	}
	var path strings.Builder
	size := code.Bounds().Dx()
	for y := range size {
		for x := range size {
			if red, _, _, _ := code.At(x, y).RGBA(); red == 0 {
				_, _ = fmt.Fprintf(&path, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	return Image{size, path.String()}, nil
}

// StepAt returns the number of the step that a time lies in.
func StepAt(now time.Time) int64 { return now.Unix() / stepSeconds }

// Code returns the code of a step.
func (k Key) Code(step int64) string {
	code, _ := hotp.GenerateCode(k.Text(), uint64(step)) //nolint:gosec // not negative; it fails only for keys that are not base32
	return code
}

// Match returns the step whose code was typed: that of now or the one before, because
// typing takes time. A code of a clock that is ahead is none.
func (k Key) Match(typed string, now time.Time) (step int64, ok bool) {
	typed = strings.Join(strings.Fields(typed), "")
	for _, step := range []int64{StepAt(now), StepAt(now) - 1} {
		if subtle.ConstantTimeCompare([]byte(k.Code(step)), []byte(typed)) == 1 {
			return step, true
		}
	}
	return 0, false
}
