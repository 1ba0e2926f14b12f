// Package document reads what an organization's provider publishes at an address that the
// organization has given.
package document

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	timeout = 10 * time.Second
	// maxBytes is more than any reader of a document accepts.
	maxBytes = 512 << 10
)

// ErrAway is returned if the address does not answer, or not with a document.
var ErrAway = errors.New("document: the address does not answer with a document")

// Reader returns what reads documents through a transport. It follows no redirects.
func Reader(transport http.RoundTripper) func(ctx context.Context, url string) ([]byte, error) {
	client := &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, url string) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, errors.Join(ErrAway, err)
		}
		answer, err := client.Do(r)
		if err != nil {
			return nil, errors.Join(ErrAway, err)
		}
		defer func() { _ = answer.Body.Close() }()
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%w: it answers %d", ErrAway, answer.StatusCode)
		}
		text, err := io.ReadAll(io.LimitReader(answer.Body, maxBytes))
		if err != nil {
			return nil, errors.Join(ErrAway, err)
		}
		return text, nil
	}
}
