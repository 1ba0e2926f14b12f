package sending

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"portico/shared/id"
	"portico/shared/webhook/signing"
)

const (
	// maxFields and maxFieldBytes bound how much of the response's headers is kept.
	maxFields     = 64
	maxFieldBytes = 4 << 10
)

// Exchange is what the log keeps of a try besides its result.
type Exchange struct {
	// Reused: the try used a connection that was open already, so there was no DNS
	// lookup, connect or TLS handshake.
	Reused bool
	// The parts of the latency. FirstByte is from having a connection until the first
	// byte of the response, so it includes sending the request.
	DNS, Connect, TLS, FirstByte time.Duration
	Address                      netip.Addr // the receiver's; zero: none was dialled
	// Scheme is the signature scheme, CustomHeaders the names of the custom headers,
	// sorted: together with constants they give the request's headers.
	Scheme        string
	CustomHeaders []string
	// ResponseHeaders are sorted by name, masked and bounded.
	ResponseHeaders []Field
	Cut             bool // some of the response's headers are not in ResponseHeaders
}

// Field is a header with one of its values.
type Field struct{ Name, Value string }

// note adds the headers of the request and of the response.
func (e *Exchange) note(t *Target, response http.Header) {
	e.Scheme = t.Scheme
	if len(t.Headers) > 0 {
		for name := range t.Headers {
			e.CustomHeaders = append(e.CustomHeaders, http.CanonicalHeaderKey(name))
		}
		slices.Sort(e.CustomHeaders)
	}
	if len(response) == 0 {
		return
	}
	secrets, size := secretsOf(t.Headers), 0
	e.ResponseHeaders = make([]Field, 0, min(len(response), maxFields))
	for _, name := range namesOf(response, make([]string, 0, 16)) {
		for _, value := range response[name] {
			if size += len(name) + len(value); size > maxFieldBytes || len(e.ResponseHeaders) == maxFields {
				e.Cut = true
				return
			}
			e.ResponseHeaders = append(e.ResponseHeaders, Field{name, maskField(name, value, secrets)})
		}
	}
}

// namesOf appends the names of headers to a list and sorts it.
func namesOf(headers http.Header, names []string) []string {
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// RequestHeaders returns the headers of the try as headerOf has set them, sorted by
// name. Signatures and the values of custom headers are masked.
func (e Exchange) RequestHeaders(event id.Event, at time.Time) []Field {
	fields := []Field{
		{"Content-Type", contentType}, {"User-Agent", UserAgent}, {"Webhook-Id", event.String()}, {"Webhook-Signature", mask},
	}
	if e.Scheme != signing.SchemePortico {
		fields = append(fields, Field{"Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10)})
	}
	for _, name := range e.CustomHeaders {
		fields = append(fields, Field{name, mask})
	}
	slices.SortFunc(fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return fields
}
