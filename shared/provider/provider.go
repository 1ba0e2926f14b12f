// Package provider signs people in with an account that they have elsewhere: by OpenID
// Connect, as Google and most companies offer it, and with GitHub's OAuth 2.0. It says whom
// a provider names; what follows from that is decided in shared/account.
//
// docs/identity.md describes the whole way. RFC 9700 and RFC 9207 have the attacks.
package provider

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Person is whom a provider names. Issuer and Subject together identify the account for
// ever; the address may change.
type Person struct {
	Issuer  string
	Subject string
	Email   string // in lower case; "": the provider tells none
	Name    string
	// Verified is whether the provider says that the person has proven the address.
	Verified bool
	// Authoritative is whether the provider also runs the mailboxes of the address's
	// domain. Without it, the address may have belonged to somebody else when it was
	// proven, so it leads to no account here, neither an old nor a new one.
	Authoritative bool
}

// Client is what a provider knows us by.
type Client struct {
	ID, Secret string
	Redirect   string // our address to which it sends the browser back
}

// Asked is what one attempt has asked a provider for. It is kept where only the browser
// that has begun the attempt leads to it, and used once.
type Asked struct {
	State    string // comes back with the answer
	Nonce    string // comes back in the ID token
	Verifier string // proves that the code was issued for this attempt (RFC 7636)
}

// Answer is what the browser brings back from a provider: the query of the redirect.
type Answer struct {
	Code, State string
	Issuer      string // `iss` (RFC 9207)
	Error       string // `error`
}

var (
	// ErrCancelled is returned when the person did not consent.
	ErrCancelled = errors.New("provider: the person did not consent")
	// ErrAway is returned when the provider does not answer, or not as it should.
	ErrAway = errors.New("provider: it does not answer as it should")
	// ErrRefused is returned for an answer that does not prove who the person is. Its
	// text says why, for the log.
	ErrRefused = errors.New("provider: the answer proves nothing")
)

func refused(why string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(why, args...))
}

// newAsked returns what a new attempt asks with: 256 random bits each.
func newAsked() Asked {
	return Asked{State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier()}
}

func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Begot reports whether an answer has the state of the attempt.
func (a Asked) Begot(answer Answer) bool {
	return a.State != "" && subtle.ConstantTimeCompare([]byte(answer.State), []byte(a.State)) == 1
}

// check refuses an answer that does not belong to the attempt, or that comes from another
// issuer than the one that was asked. demanded: the issuer always names itself.
func (a Answer) check(asked Asked, issuer string, demanded bool) error {
	switch {
	case !asked.Begot(a):
		return refused("the state is not that of the attempt")
	case a.Issuer != "" && a.Issuer != issuer || a.Issuer == "" && demanded:
		return refused("the answer is from the issuer %q, not from %q", a.Issuer, issuer)
	case a.Error == "access_denied":
		return ErrCancelled
	case a.Error != "":
		return refused("the provider answers the error %q", a.Error)
	case a.Code == "":
		return refused("there is no code")
	}
	return nil
}

const (
	timeout  = 5 * time.Second // of a call to a provider
	maxReply = 1 << 20         // bytes of its reply
)

// newHTTPClient returns a client that follows no redirects and reads bounded replies.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: bounded{transport}, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded cuts replies off after maxReply bytes.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxReply), resp.Body}
	}
	return resp, err
}

// exchanged returns why a code was not exchanged: the provider is away, or it refuses.
func exchanged(err error) error {
	var answered *oauth2.RetrieveError
	if errors.As(err, &answered) && answered.Response != nil && answered.Response.StatusCode < 500 {
		return refused("the code was not accepted: %s", answered.ErrorCode)
	}
	return errors.Join(ErrAway, err)
}

func lower(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
