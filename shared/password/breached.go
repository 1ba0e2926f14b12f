package password

import (
	"bufio"
	"context"
	"crypto/sha1" // #nosec G505 -- the service's key, not a protection
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"portico/shared/egress"
	"portico/shared/observe"
)

// Breaches asks a service for stolen passwords, as «Have I Been Pwned» offers it: it is
// told the first 5 of the 40 characters of the password's SHA-1, and returns all that
// begin so. Its reply is padded, so that its length tells nothing either.
type Breaches struct {
	url    string
	client http.Client
	log    *observe.Log
}

const (
	// breachesFor is how long a person waits for the service.
	breachesFor = 2 * time.Second
	// maxBreaches is more than any reply has, in bytes.
	maxBreaches = 1 << 20
	prefixLen   = 5
)

// NewBreaches asks the service at url, which the prefix is added to.
func NewBreaches(url string, policy egress.Policy, log *observe.Log) *Breaches {
	return &Breaches{url: url, log: log, client: http.Client{
		Transport: policy.Transport(), Timeout: breachesFor,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// know reports whether a password is known to be stolen. Without an answer it is not,
// and that is counted: nobody should be kept out because a service is away.
func (b *Breaches) know(ctx context.Context, password string) bool {
	sum := sha1.Sum([]byte(password)) // #nosec G401
	name := strings.ToUpper(hex.EncodeToString(sum[:]))
	known, err := b.ask(ctx, name[:prefixLen], name[prefixLen:])
	if err != nil {
		b.log.Line(ctx, slog.LevelWarn, "the service of stolen passwords did not answer",
			[]observe.Metric{observe.One("BreachesAway", observe.Count, 1)}, slog.String("cause", err.Error()))
	}
	return known
}

func (b *Breaches) ask(ctx context.Context, prefix, rest string) (known bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+prefix, nil)
	if err != nil {
		return false, err
	}
	r.Header.Set("Add-Padding", "true")
	r.Header.Set("User-Agent", "portico")
	w, err := b.client.Do(r)
	if failed := new(url.Error); errors.As(err, &failed) {
		return false, failed.Err // without the URL, which has a part of the password's hash
	}
	defer func() { _ = w.Body.Close() }()
	if w.StatusCode != http.StatusOK {
		return false, fmt.Errorf("status %d", w.StatusCode)
	}
	lines := bufio.NewScanner(io.LimitReader(w.Body, maxBreaches))
	for lines.Scan() {
		name, times, _ := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		if strings.EqualFold(name, rest) {
			return times != "0", nil // 0: padding
		}
	}
	return false, lines.Err()
}
