package edge

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portico/shared/auth"
	"portico/shared/observe"
)

// If a handler's call cannot be found, what it says about the call would be lost,
// for example an audit entry. So the request is a 500 with a log line, and no
// handler runs.
func TestLostCall(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := &Server{Log: observe.NewLog(&log, "test")}
	_, err := s.Handler(Global[struct{}, struct{}]{
		Op: Op{ID: "getThing", Method: "GET", Path: "/v1/things", Function: "things", Summary: "x", Permission: auth.Public},
		Handle: func(*Call, *struct{}) (*struct{}, error) {
			t.Error("the handler ran")
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	forgetful := s.observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mux.ServeHTTP(w, r.WithContext(context.Background()))
	}))
	w := httptest.NewRecorder()
	forgetful.ServeHTTP(w, httptest.NewRequest("GET", "/v1/things", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"code":"internal"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if line := log.String(); !strings.Contains(line, "lost its call") || !strings.Contains(line, `"path":"/v1/things"`) {
		t.Errorf("the log says %s", line)
	}
}

// A result that the operation does not declare is ignored by the frame. A handler
// that gives one is a 500, so that it is not lost unnoticed.
func TestUndeclaredCalls(t *testing.T) {
	t.Parallel()
	for want, say := range map[string]func(*Call){
		"calls Audit but does not declare an audit action":       func(c *Call) { c.Audit(nil, nil) },
		"calls AfterCommit but does not declare an audit action": func(c *Call) { c.AfterCommit(func() {}) },
		"calls Due but does not declare Wakes":                   func(c *Call) { c.Due() },
	} {
		var log bytes.Buffer
		s := &Server{Log: observe.NewLog(&log, "test")}
		handler, err := s.Handler(Global[struct{}, struct{}]{
			Op:     Op{ID: "getThing", Method: "GET", Path: "/v1/things", Function: "things", Summary: "x", Permission: auth.Public},
			Handle: func(c *Call, _ *struct{}) (*struct{}, error) { say(c); return nil, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/v1/things", nil))
		if w.Code != http.StatusInternalServerError || !strings.Contains(log.String(), want) {
			t.Errorf("%d, and the log says %s, want %s", w.Code, log.String(), want)
		}
	}
}
