// Package captcha decides when a caller must solve a CAPTCHA, and verifies the
// token of a solved one. Without a secret, without the vendor and without the
// table of used tokens it refuses: it never lets a caller through because
// something is missing.
package captcha

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/fault"
)

// The faults. They do not say why a token is refused, so that nobody can test
// tokens; the cause in the log does.
var (
	ErrRequired = fault.New(fault.Denied, "captcha_required",
		"Show the CAPTCHA that `captcha` names, and send the request again with its token.").
		Means("Solve a CAPTCHA first: `captcha` has its vendor and site key. Send the token as `Portico-Captcha-Token`.")
	ErrInvalid = fault.New(fault.Denied, "captcha_invalid",
		"The CAPTCHA's token is not valid. Show the CAPTCHA that `captcha` names again, and send its new token.").
		Means("The token is wrong, too old or was used before. Each token works once: solve a new CAPTCHA.")
	ErrAway = fault.New(fault.Unavailable, "captcha_unavailable",
		"A CAPTCHA is needed, and it cannot be verified at the moment. Try again in a moment with a new one.").
		Means("A CAPTCHA is needed, and it cannot be verified at the moment. Try again after `Retry-After` with a new token.")
)

const (
	// MaxToken is how long a token may be, in bytes.
	MaxToken = 2048
	timeout  = 3 * time.Second // of a call to the vendor
	maxReply = 16 << 10        // bytes of its reply
	// kept is how long a used token is remembered. It is longer than any vendor
	// accepts a token: five minutes.
	kept       = time.Hour
	retryAfter = 5 * time.Second
)

// Verifier verifies tokens of one vendor.
type Verifier struct {
	config Config
	used   dynamo.Table
	clock  *clock.Clock
	client *http.Client
}

// NewVerifier returns a verifier that remembers used tokens in a table whose key
// is `id`.
func NewVerifier(config Config, used dynamo.Table, clock *clock.Clock) *Verifier {
	client := &http.Client{
		// Not the default transport, which a function uses for its runtime.
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxReply},
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Verifier{config: config, used: used, clock: clock, client: client}
}

// Verify returns nil if the token is that of a CAPTCHA which a client at this
// address has solved for this action, and which was not used before. Otherwise it
// returns ErrInvalid, or ErrAway if that cannot be found out. action is compared
// only if the vendor answers one; "": any.
func (v *Verifier) Verify(ctx context.Context, token string, from netip.Addr, action string) error {
	if v == nil || v.config.Secret == "" {
		return away(errNoSecret)
	}
	if token == "" || len(token) > MaxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ErrInvalid.Because(fmt.Errorf("the token has %d bytes, or is not printable", len(token)))
	}
	r, err := v.ask(ctx, token, from)
	switch {
	case err != nil:
		return away(err)
	case r.ours():
		return away(fmt.Errorf("%s refuses our configuration: %s", v.config.Vendor.Name, r.codes()))
	case !r.Success:
		return ErrInvalid.Because(fmt.Errorf("%s refuses the token: %s", v.config.Vendor.Name, r.codes()))
	case len(v.config.Hostnames) > 0 && !slices.Contains(v.config.Hostnames, r.Hostname):
		return ErrInvalid.Because(fmt.Errorf("it was solved at %.100q", r.Hostname))
	case v.config.Vendor.HasAction && action != "" && r.Action != action:
		return ErrInvalid.Because(fmt.Errorf("it was solved for %.100q", r.Action))
	}
	return v.use(ctx, token)
}

// ask posts the token to the vendor. The error does not contain the token or the
// secret.
func (v *Verifier) ask(ctx context.Context, token string, from netip.Addr) (r reply, err error) {
	form := url.Values{"secret": {v.config.Secret}, "response": {token}, "sitekey": {v.config.SiteKey}}
	if from.IsValid() {
		form.Set("remoteip", from.Unmap().String())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.config.endpoint(), strings.NewReader(form.Encode()))
	if err != nil {
		return r, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w, err := v.client.Do(request)
	if err != nil {
		return r, err
	}
	defer func() { _ = w.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(w.Body, maxReply+1))
	switch {
	case err != nil:
		return r, err
	case len(body) > maxReply:
		return r, fmt.Errorf("%s answered more than %d bytes", v.config.Vendor.Name, maxReply)
	}
	// Turnstile answers a refused secret or token with 4xx in some cases, and always
	// with JSON.
	if err := json.Unmarshal(body, &r); err != nil || w.StatusCode >= 500 || !r.Success && len(r.ErrorCodes) == 0 {
		return reply{}, fmt.Errorf("%s answered %d without a verdict", v.config.Vendor.Name, w.StatusCode)
	}
	if w.StatusCode != http.StatusOK {
		r.Success = false
	}
	return r, nil
}

// use remembers a token as used, or returns ErrInvalid if it was used before. The
// vendors refuse that too, but not always at once. An expired item counts as
// absent, because DynamoDB deletes late.
func (v *Verifier) use(ctx context.Context, token string) error {
	now := v.clock.Now()
	sum := sha256.Sum256([]byte(v.config.Vendor.Name + " " + token))
	err := v.used.Update(ctx, "c/"+base64.RawURLEncoding.EncodeToString(sum[:]), dynamo.Write{
		Update: "SET expires_at = :until", If: "attribute_not_exists(id) OR expires_at <= :now",
		Values: dynamo.Item{":until": dynamo.Number(now.Add(kept).Unix()), ":now": dynamo.Number(now.Unix())},
	})
	switch {
	case dynamo.IsRefused(err):
		return ErrInvalid.Because(errors.New("the token was used before"))
	case err != nil:
		return away(err)
	}
	return nil
}

func away(cause error) error {
	f := ErrAway.Because(cause)
	f.RetryAfter = retryAfter
	return f
}
