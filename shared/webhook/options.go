package webhook

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/secret"
)

// Options is how an endpoint's deliveries are made.
type Options struct {
	RetryPolicy     string
	RetrySchedule   []int32 // seconds; only of a custom policy
	TimeoutSeconds  int16
	HeaderNames     []string // of the custom headers; their values are sealed
	Metadata        map[string]string
	SignatureScheme string
	PublicKey       ed25519.PublicKey // nil until the scheme was once StandardAsymmetric
}

// Retry policies.
const (
	RetryDefault    = "default"
	RetryFast       = "fast"
	RetryBestEffort = "best_effort"
	RetryCustom     = "custom"
)

// scheduleOf returns the waits that a policy stands for.
func scheduleOf(policy string, seconds []int32) Schedule {
	switch policy {
	case RetryFast:
		return FastSchedule
	case RetryBestEffort:
		return nil
	case RetryCustom:
		schedule := make(Schedule, len(seconds))
		for i, s := range seconds {
			schedule[i] = time.Duration(s) * time.Second
		}
		return schedule
	}
	return DefaultSchedule
}

// OptionsChange names the options to change; nil leaves one as it is, and an
// empty map removes what it held.
type OptionsChange struct {
	RetryPolicy     *string
	RetrySchedule   []int32
	TimeoutSeconds  *int16
	CustomHeaders   map[string]string
	Metadata        map[string]string
	SignatureScheme *string
}

const (
	maxRetries     = 20
	maxWait        = int32(48 * time.Hour / time.Second)
	maxHeaders     = 20
	maxHeaderName  = 64
	maxHeaderValue = 1024
	maxMetadata    = 50
	maxKey         = 64
	maxValue       = 512
)

// Check returns the fault of the first option that cannot be accepted. It never
// repeats a value: it may be secret.
func (c OptionsChange) Check() error {
	if err := c.checkRetries(); err != nil {
		return err
	}
	if err := c.checkHeaders(); err != nil {
		return err
	}
	return c.checkMetadata()
}

func (c OptionsChange) checkRetries() error {
	const field = "body.retry_schedule"
	custom := c.RetryPolicy != nil && *c.RetryPolicy == RetryCustom
	switch n := len(c.RetrySchedule); {
	case custom && (n < 1 || n > maxRetries):
		return fault.InvalidField(field, fmt.Sprintf("must list 1 to %d waits in seconds with the retry_policy custom", maxRetries))
	case !custom && c.RetrySchedule != nil:
		return fault.InvalidField(field, "goes with the retry_policy custom only: send both, or neither")
	}
	for i, wait := range c.RetrySchedule {
		if wait < 1 || wait > maxWait {
			return fault.InvalidField(fmt.Sprintf("%s[%d]", field, i), fmt.Sprintf("must be 1 to %d seconds", maxWait))
		}
	}
	return nil
}

// token is the form of a header's name (RFC 9110, section 5.6.2).
var token = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// reserved are the headers that Portico or the connection sets, in lower case.
var reserved = []string{
	"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie", "date", "expect",
	"host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
}

// reservedPrefixes begin the names that others of that kind have.
var reservedPrefixes = []string{"proxy-", "sec-", "webhook-"}

func isReserved(lower string) bool {
	return slices.Contains(reserved, lower) || slices.ContainsFunc(reservedPrefixes, func(prefix string) bool {
		return strings.HasPrefix(lower, prefix)
	})
}

func (c OptionsChange) checkHeaders() error {
	const field = "body.custom_headers"
	if len(c.CustomHeaders) > maxHeaders {
		return fault.InvalidField(field, fmt.Sprintf("must have at most %d headers", maxHeaders))
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.CustomHeaders)) {
		lower, wrong := strings.ToLower(name), ""
		switch {
		case len(name) > maxHeaderName || !token.MatchString(name):
			wrong = fmt.Sprintf("is no header name: use 1 to %d letters, digits and !#$%%&'*+-.^_`|~", maxHeaderName)
		case isReserved(lower):
			wrong = "is a header that Portico sets itself: use another name"
		case seen[lower]:
			wrong = "stands twice in different case: header names ignore case"
		case !isHeaderValue(c.CustomHeaders[name]):
			wrong = fmt.Sprintf("must have at most %d printable ASCII characters", maxHeaderValue)
		}
		if wrong != "" {
			return fault.InvalidField(field+"."+name, wrong)
		}
		seen[lower] = true
	}
	return nil
}

func isHeaderValue(s string) bool {
	return len(s) <= maxHeaderValue && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func (c OptionsChange) checkMetadata() error {
	const field = "body.metadata"
	if len(c.Metadata) > maxMetadata {
		return fault.InvalidField(field, fmt.Sprintf("must have at most %d entries", maxMetadata))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		switch {
		case !isText(key, maxKey) || key == "":
			return fault.InvalidField(field, fmt.Sprintf("must have keys of 1 to %d characters without U+0000", maxKey))
		case !isText(c.Metadata[key], maxValue):
			return fault.InvalidField(field+"."+key, fmt.Sprintf("must have at most %d characters, none of them U+0000", maxValue))
		}
	}
	return nil
}

// isText reports whether Postgres can keep s, and s has at most limit characters.
func isText(s string, limit int) bool {
	return len([]rune(s)) <= limit && !strings.ContainsRune(s, 0)
}

// headersContext binds the sealed custom headers to their endpoint.
func headersContext(org id.Org, endpoint id.WebhookEndpoint) string {
	return "webhook_headers/" + org.String() + "/" + endpoint.String()
}

// sealHeaders returns the names and the sealed whole of custom headers; nil of nil.
func sealHeaders(box *secret.Box, org id.Org, endpoint id.WebhookEndpoint, headers map[string]string) (names []string, sealed []byte) {
	if headers == nil {
		return nil, nil
	}
	plain, err := json.Marshal(headers)
	if err != nil {
		panic("webhook: " + err.Error()) // strings always marshal
	}
	names = slices.AppendSeq([]string{}, maps.Keys(headers))
	slices.Sort(names)
	return names, box.Seal(plain, headersContext(org, endpoint))
}

// openHeaders returns what sealHeaders sealed; nil of nil.
func openHeaders(box *secret.Box, org id.Org, endpoint id.WebhookEndpoint, sealed []byte) (headers map[string]string, err error) {
	if sealed == nil {
		return nil, nil
	}
	plain, err := box.Open(sealed, headersContext(org, endpoint))
	if err == nil {
		err = json.Unmarshal(plain, &headers)
	}
	if err != nil {
		return nil, fmt.Errorf("custom headers of %s: %w", endpoint, err)
	}
	return headers, nil
}

// targetRow is an endpoint with one of its secrets, as the dispatcher reads it.
type targetRow struct {
	OrgID           id.Org
	ID              id.WebhookEndpoint
	URL             string
	RetryPolicy     string
	RetrySchedule   []int32
	TimeoutSeconds  int16
	SealedHeaders   []byte
	SignatureScheme string
	SealedKey       []byte
	SecretID        id.WebhookSecret
	SealedSecret    []byte
}

// target opens what is sealed, but for the secrets.
func (r targetRow) target(box *secret.Box) (*Target, error) {
	headers, err := openHeaders(box, r.OrgID, r.ID, r.SealedHeaders)
	if err != nil {
		return nil, err
	}
	key, err := openSigningKey(box, r.OrgID, r.ID, r.SealedKey)
	if err != nil {
		return nil, err
	}
	return &Target{
		URL: r.URL, Schedule: scheduleOf(r.RetryPolicy, r.RetrySchedule), Timeout: time.Duration(r.TimeoutSeconds) * time.Second,
		Headers: headers, Scheme: r.SignatureScheme, Key: key,
	}, nil
}
