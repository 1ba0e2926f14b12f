// Package client calls Portico's API over HTTP, and tries again what is safe to
// repeat.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// maxReply is the longest reply that is read, in bytes: far more than the API sends.
const maxReply = 64 << 20

// Client calls the API of one organization.
type Client struct {
	URL          string // without a slash at its end
	Key          string
	Organization string // only for a staff key
	Agent        string // the value of User-Agent
	Retries      int    // how often a failed request is sent again
	HTTP         *http.Client
	// Wait returns after d, or with an error when ctx ends.
	Wait func(ctx context.Context, d time.Duration) error
	// Again is told before each wait why a request is sent again.
	Again func(reason string, wait time.Duration)
}

// Request is one call of an operation.
type Request struct {
	Method, Path string
	Query        url.Values
	Body         []byte // JSON; nil: none
	// IdempotencyKey makes a mutation safe to repeat. Empty: Do chooses one.
	IdempotencyKey string
	// Repeatable says that the operation has the same effect when it is called
	// twice, so it needs no key.
	Repeatable bool
}

// Do calls an operation and returns the reply's body, byte for byte. The error is a
// *Refused, an *Unavailable or the end of ctx.
func (c *Client) Do(ctx context.Context, r Request) ([]byte, error) {
	if r.Method != http.MethodGet && !r.Repeatable && r.IdempotencyKey == "" {
		r.IdempotencyKey = NewIdempotencyKey()
	}
	for try := 0; ; try++ {
		reply, failed := c.once(ctx, r)
		switch {
		case failed == nil:
			return reply, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !failed.temporary || try >= c.Retries || failed.wait > maxWait:
			return nil, failed.error(r, c.URL)
		}
		wait := max(failed.wait, Backoff(try)) + jitter()
		c.Again(failed.reason(), wait)
		if err := c.Wait(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// NewIdempotencyKey returns a key that no other request has.
func NewIdempotencyKey() string { return "cli-" + rand.Text() }

// once sends a request one time.
func (c *Client) once(ctx context.Context, r Request) ([]byte, *failure) {
	req, err := c.request(ctx, r)
	if err != nil {
		return nil, &failure{cause: err}
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, &failure{cause: withoutURL(err), temporary: !isRefused(err), sent: !isRefused(err)}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	switch {
	case err != nil:
		return nil, &failure{cause: withoutURL(err), temporary: true, sent: true}
	case len(body) > maxReply:
		return nil, &failure{cause: fmt.Errorf("the reply is longer than %d MiB", maxReply>>20), sent: true}
	case res.StatusCode >= 200 && res.StatusCode <= 299:
		return body, nil
	}
	return nil, failureOf(res, body)
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	target := c.URL + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, body)
	if err != nil {
		return nil, err
	}
	for _, h := range [][2]string{
		{"Authorization", "Bearer " + c.Key}, {"User-Agent", c.Agent}, {"Accept", "application/json"},
		{"Idempotency-Key", r.IdempotencyKey}, {"Portico-Organization", c.Organization},
	} {
		if h[1] != "" {
			req.Header.Set(h[0], h[1])
		}
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// NewHTTP returns an HTTP client that does not follow redirects: they would send the
// key elsewhere.
func NewHTTP(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// withoutURL drops the method and the address, which the message already has.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
