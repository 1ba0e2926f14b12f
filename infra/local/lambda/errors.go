package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Payload limits of synchronous invocations, in bytes.
const (
	MaxRequest  = 6 << 20
	MaxResponse = 6<<20 + 100
)

var (
	// ErrThrottled is returned when all processes of the function stayed busy.
	ErrThrottled = errors.New("too many concurrent invocations: Rate Exceeded")
	// ErrTooLarge is returned when the payload exceeds MaxRequest.
	ErrTooLarge = fmt.Errorf("the request is larger than %d bytes", MaxRequest)
	// ErrClosed is returned when the host is stopping.
	ErrClosed = errors.New("the local stack is stopping")
)

// FunctionError is an invocation that failed in the function, not in the
// platform: it returned an error, ended, or exceeded its time or memory. Payload
// is what the caller of Lambda gets.
type FunctionError struct {
	Type    string
	Message string
	Payload []byte
}

func (e *FunctionError) Error() string {
	if e.Type == "" {
		return e.Message
	}
	return e.Type + ": " + e.Message
}

func platformError(kind, id, format string, args ...any) *FunctionError {
	message := "RequestId: " + id + " Error: " + fmt.Sprintf(format, args...)
	payload, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	return &FunctionError{kind, message, payload}
}

func timeoutError(id string, timeout time.Duration) *FunctionError {
	return platformError("Sandbox.Timedout", id, "Task timed out after %.2f seconds", timeout.Seconds())
}

// reportedError is what a function posts to the Runtime API.
func reportedError(payload []byte) *FunctionError {
	var body struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(payload, &body); err != nil || body.ErrorMessage == "" {
		body.ErrorMessage = string(payload)
	}
	return &FunctionError{body.ErrorType, body.ErrorMessage, payload}
}
