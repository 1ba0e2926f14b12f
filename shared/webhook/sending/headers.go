package sending

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/secret"
)

const (
	maxHeaders     = 20
	maxHeaderName  = 64
	maxHeaderValue = 1024
)

// token is the form of a header's name (RFC 9110, section 5.6.2).
var token = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// reserved are the headers that Portico or the connection sets, in lower case.
var reserved = []string{
	"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie", "date", "expect",
	"host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
}

// reservedPrefixes are the prefixes of more reserved names.
var reservedPrefixes = []string{"proxy-", "sec-", "webhook-"}

func isReserved(folded string) bool {
	return slices.Contains(reserved, folded) || slices.ContainsFunc(reservedPrefixes, func(prefix string) bool {
		return strings.HasPrefix(folded, prefix)
	})
}

// fold returns the same text for names that a receiver may treat as equal: names
// ignore case, and CGI and servers that follow it treat _ and - alike.
func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// CheckHeaders refuses custom headers that Portico could not send, or that it sets
// itself. Its fault never repeats a value.
func CheckHeaders(headers map[string]string) error {
	const field = "custom_headers"
	if len(headers) > maxHeaders {
		return fault.InvalidField(field, fmt.Sprintf("must have at most %d headers", maxHeaders))
	}
	var faults []error
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		folded, wrong := fold(name), ""
		switch {
		case len(name) > maxHeaderName || !token.MatchString(name):
			wrong = fmt.Sprintf("is not a header name: use 1 to %d letters, digits and !#$%%&'*+-.^_`|~", maxHeaderName)
		case isReserved(folded):
			wrong = "is a header that Portico sets itself, or is equal to one for servers that treat _ and - alike: use another name"
		case seen[folded]:
			wrong = "occurs twice, with different case or with _ instead of -: many servers treat the two names as one"
		case !isHeaderValue(headers[name]):
			wrong = fmt.Sprintf("must have at most %d printable ASCII characters", maxHeaderValue)
		}
		if wrong != "" {
			faults = append(faults, fault.InvalidField(field+"."+name, wrong))
		}
		seen[folded] = true
	}
	return fault.Join(faults...)
}

func isHeaderValue(s string) bool {
	return len(s) <= maxHeaderValue && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// headersContext binds the sealed custom headers to their endpoint.
func headersContext(org id.Org, endpoint id.WebhookEndpoint) string {
	return "webhook_headers/" + org.String() + "/" + endpoint.String()
}

// SealHeaders returns the names of custom headers in clear, and names and values
// sealed.
func SealHeaders(box *secret.Box, org id.Org, endpoint id.WebhookEndpoint, headers map[string]string) (names []string, sealed []byte) {
	plain, err := json.Marshal(headers)
	if err != nil {
		panic("sending: " + err.Error()) // strings always marshal
	}
	names = slices.AppendSeq([]string{}, maps.Keys(headers))
	slices.Sort(names)
	return names, box.Seal(plain, headersContext(org, endpoint))
}

// OpenHeaders returns what SealHeaders sealed; nil if the endpoint never had
// custom headers.
func OpenHeaders(box *secret.Box, org id.Org, endpoint id.WebhookEndpoint, sealed []byte) (headers map[string]string, err error) {
	if sealed == nil {
		return nil, nil
	}
	plain, err := box.Open(sealed, headersContext(org, endpoint))
	if err == nil {
		err = json.Unmarshal(plain, &headers)
	}
	if err != nil {
		return nil, fmt.Errorf("custom headers: %w", err)
	}
	return headers, nil
}
