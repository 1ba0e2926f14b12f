package webhook

import (
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"portico/shared/fault"
	"portico/shared/webhook/filter"
	"portico/shared/webhook/sending"
)

// Options are the settings for an endpoint's deliveries.
type Options struct {
	RetryPolicy     string
	RetrySchedule   []int32 // seconds; set only if the policy is custom
	TimeoutSeconds  int16
	HeaderNames     []string // names of the custom headers; the values are sealed
	Metadata        map[string]string
	SignatureScheme string
	PublicKey       ed25519.PublicKey // nil until the scheme is signing.SchemeStandardAsymmetric for the first time
	OldPublicKey    ed25519.PublicKey // also valid in the overlap of a rotation; nil at other times
	RateLimit       *int32            // deliveries per second; nil: no limit
	// Ordered: deliveries with the same ordering key go one after another.
	Ordered          bool
	ExhaustionPolicy string
	// ClientCertificate is its chain, DER, the leaf first; nil: none.
	ClientCertificate []byte
	// Filter is an expression that is true for the events to deliver; "": all.
	Filter string
}

// Leaf returns the client certificate itself, without those that issued it; nil
// if there is none or it cannot be parsed.
func (o Options) Leaf() *x509.Certificate {
	chain, err := x509.ParseCertificates(o.ClientCertificate)
	if err != nil || len(chain) == 0 {
		return nil
	}
	return chain[0]
}

// Retry policies.
const (
	RetryDefault    = "default"
	RetryFast       = "fast"
	RetryBestEffort = "best_effort"
	RetryCustom     = "custom"
)

// What happens to an ordering key whose head has failed permanently.
const (
	ExhaustionPause = "pause" // the deliveries behind it wait until the key is resumed
	ExhaustionSkip  = "skip"  // the next delivery is sent
)

// ScheduleOf returns the schedule of a retry policy.
func ScheduleOf(policy string, seconds []int32) Schedule {
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

const (
	maxRetries  = 20
	maxWait     = int32(48 * time.Hour / time.Second)
	maxMetadata = 50
	maxKey      = 64
	maxValue    = 512
)

// Check returns one fault for all options that are not valid. It never repeats a
// value, which may be secret, except that the error of a filter may quote the
// filter.
func (c OptionsChange) Check() error {
	return fault.Join(c.checkRetries(), sending.CheckHeaders(c.CustomHeaders), c.checkMetadata(), c.checkFilter())
}

func (c OptionsChange) checkRetries() error {
	const field = "retry_schedule"
	custom := c.RetryPolicy != nil && *c.RetryPolicy == RetryCustom
	switch n := len(c.RetrySchedule); {
	case custom && (n < 1 || n > maxRetries):
		return fault.InvalidField(field, fmt.Sprintf("must list 1 to %d waits in seconds with the retry_policy custom", maxRetries))
	case !custom && c.RetrySchedule != nil:
		return fault.InvalidField(field, "can be set only with the retry_policy custom: send both, or neither")
	}
	var faults []error
	for i, wait := range c.RetrySchedule {
		if wait < 1 || wait > maxWait {
			faults = append(faults, fault.InvalidField(fmt.Sprintf("%s[%d]", field, i), fmt.Sprintf("must be 1 to %d seconds", maxWait)))
		}
	}
	return fault.Join(faults...)
}

func (c OptionsChange) checkMetadata() error {
	const field = "metadata"
	if len(c.Metadata) > maxMetadata {
		return fault.InvalidField(field, fmt.Sprintf("must have at most %d entries", maxMetadata))
	}
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		switch {
		case !isText(key, maxKey) || key == "":
			return fault.InvalidField(field, fmt.Sprintf("must have keys of 1 to %d characters without U+0000", maxKey))
		case !isText(c.Metadata[key], maxValue):
			faults = append(faults, fault.InvalidField(field+"."+key, fmt.Sprintf("must have at most %d characters, none of them U+0000", maxValue)))
		}
	}
	return fault.Join(faults...)
}

func (c OptionsChange) checkFilter() error {
	if c.Filter == nil {
		return nil
	}
	if err := filter.Check(*c.Filter); err != nil {
		return fault.InvalidField("filter", err.Error())
	}
	return nil
}

// isText reports whether Postgres can store s, and s has at most limit
// characters.
func isText(s string, limit int) bool {
	return len([]rune(s)) <= limit && !strings.ContainsRune(s, 0)
}
