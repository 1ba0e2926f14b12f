package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// maxWait is the longest wait before a request is sent again. If the API asks
	// for more, the user is told.
	maxWait   = time.Minute
	firstWait = time.Second
	lastWait  = 16 * time.Second
)

// Refused is an answer that the same request would get again.
type Refused struct {
	Status    int
	Code      string
	Detail    string
	RequestID string
	Fields    []Field
}

// Field is a field of the request that cannot be accepted.
type Field struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Error is the API's own sentence, its fields, and how support finds the request.
func (r *Refused) Error() string {
	text := r.Detail
	for _, f := range r.Fields {
		text += "\n  " + f.Location + ": " + f.Message
	}
	return text + "\n  " + r.place()
}

func (r *Refused) place() string {
	parts := []string{"status " + strconv.Itoa(r.Status)}
	if r.Code != "" {
		parts = append(parts, "code "+r.Code)
	}
	if r.RequestID != "" {
		parts = append(parts, "request id "+r.RequestID)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// Unavailable means that the API could not be reached, or could not answer now.
type Unavailable struct {
	Cause error         // a *Refused if it answered
	After time.Duration // how long the API asks to wait; 0: it does not say
	// IdempotencyKey is that of a mutation that may have been done.
	IdempotencyKey string
}

func (u *Unavailable) Unwrap() error { return u.Cause }

// Error says how the request can be repeated without doing it twice.
func (u *Unavailable) Error() string {
	text := u.Cause.Error()
	if u.IdempotencyKey != "" {
		text += "\n  It may have been done. To repeat it safely, add --idempotency-key " + u.IdempotencyKey
	}
	return text
}

// failure is one try that did not succeed.
type failure struct {
	cause     error
	answer    *Refused      // nil: there was no answer
	temporary bool          // the same request may succeed later
	sent      bool          // the API may have done the work
	wait      time.Duration // what the API asks for
}

func (f *failure) reason() string {
	if f.answer != nil {
		return fmt.Sprintf("the API answered %d", f.answer.Status)
	}
	return f.cause.Error()
}

func (f *failure) error(r Request, address string) error {
	switch {
	case f.answer != nil && !f.temporary:
		return f.answer
	case f.answer != nil:
		f.cause = f.answer
	default:
		f.cause = fmt.Errorf("the API at %s cannot be reached: %w", address, f.cause)
	}
	u := &Unavailable{Cause: f.cause, After: f.wait}
	if f.sent && r.Method != http.MethodGet {
		u.IdempotencyKey = r.IdempotencyKey
	}
	return u
}

// failureOf reads an answer that is not 2xx.
func failureOf(res *http.Response, body []byte) *failure {
	var problem struct {
		Code      string
		Detail    string
		Message   string // of the gateway
		RequestID string `json:"request_id"`
		Errors    []Field
	}
	_ = json.Unmarshal(body, &problem) // an answer that is not JSON has only a status
	answer := &Refused{
		Status: res.StatusCode, Code: problem.Code, Detail: problem.Detail, Fields: problem.Errors,
		RequestID: problem.RequestID,
	}
	if answer.RequestID == "" {
		answer.RequestID = res.Header.Get("X-Request-Id")
	}
	if answer.Detail == "" {
		answer.Detail = withoutDetail(res, problem.Message)
	}
	f := &failure{answer: answer, wait: retryAfter(res.Header)}
	switch res.StatusCode {
	case http.StatusTooManyRequests:
		f.temporary = true
	case http.StatusServiceUnavailable:
		// The gateway answers it too, when a function takes too long.
		f.temporary, f.sent = true, problem.Code == ""
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		f.temporary, f.sent = true, true
	}
	return f
}

// withoutDetail describes an answer that is not a problem of the API.
func withoutDetail(res *http.Response, message string) string {
	switch location := res.Header.Get("Location"); {
	case message != "":
		return fmt.Sprintf("The gateway answered: %s.", strings.TrimSuffix(message, "."))
	case location != "":
		return fmt.Sprintf("The address leads to %s: check it with portico config, and give the final one.", location)
	}
	return "This is not an answer of Portico's API: check the address with portico config."
}

// retryAfter returns what the API asks to wait; 0: it does not say.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 1<<20)) * time.Second
}

// Backoff returns the wait after so many failures, unless the API asks for more.
func Backoff(failures int) time.Duration { return min(firstWait<<min(failures, 10), lastWait) }

// jitter keeps programs that failed together from coming back together.
func jitter() time.Duration { return rand.N(time.Second) }

// isRefused reports whether nothing was sent, because nothing can be reached at the
// address.
func isRefused(err error) bool {
	var dial *net.OpError
	var name *net.DNSError
	return errors.As(err, &name) || errors.As(err, &dial) && dial.Op == "dial"
}
