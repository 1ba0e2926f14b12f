package aws

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"portico/infra/local/lambda"
)

// Invoke runs the function of that name, or returns ErrNoFunction.
type Invoke func(ctx context.Context, name string, payload []byte) ([]byte, error)

// ErrNoFunction is returned when there is no function of that name.
var ErrNoFunction = errors.New("there is no such function")

// serveInvoke answers POST /2015-03-31/functions/{name}/invocations.
func (s *Server) serveInvoke(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions/"), "/invocations")
	if !ok || r.Method != http.MethodPost || s.opts.Invoke == nil {
		writeError(w, unknownOperation(r.Method+" "+r.URL.Path))
		return
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return // the client has gone, or sent more than Lambda accepts
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	} else if !json.Valid(payload) {
		writeError(w, invalid("InvalidRequestContentException", "Could not parse request body into json."))
		return
	}
	name = functionName(name)
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); cmp.Or(kind, "RequestResponse") {
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	case "Event":
		go s.invokeEvent(name, payload)
		w.WriteHeader(http.StatusAccepted)
	case "RequestResponse":
		s.invokeAndAnswer(w, r, name, payload)
	default:
		writeError(w, invalid("InvalidParameterValueException", "There is no invocation type %s.", kind))
	}
}

// functionName takes a name, name:alias, or an ARN.
func functionName(text string) string {
	if _, after, ok := strings.Cut(text, ":function:"); ok {
		text = after
	}
	name, _, _ := strings.Cut(text, ":")
	return name
}

// invokeEvent tries once, where Lambda would try three times.
func (s *Server) invokeEvent(name string, payload []byte) {
	if _, err := s.opts.Invoke(context.Background(), name, payload); err != nil {
		s.opts.Logf("asynchronous invocation of %s: %v", name, err)
	}
}

func (s *Server) invokeAndAnswer(w http.ResponseWriter, r *http.Request, name string, payload []byte) {
	out, err := s.opts.Invoke(r.Context(), name, payload)
	if failed := new(lambda.FunctionError); errors.As(err, &failed) {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		out, err = failed.Payload, nil
	}
	switch {
	case errors.Is(err, ErrNoFunction):
		err = &apiError{404, "ResourceNotFoundException", "Function not found: " + name}
	case errors.Is(err, lambda.ErrThrottled):
		err = &apiError{429, "TooManyRequestsException", "Rate Exceeded."}
	case errors.Is(err, lambda.ErrTooLarge):
		err = &apiError{413, "RequestTooLargeException", err.Error()}
	}
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out) // the client may be gone
}
