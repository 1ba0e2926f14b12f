package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"portico/shared/webhook/signing"
)

// The receiver's paths: one answers 200, the other 500 to an event's first try.
const (
	okPath    = "/ok"
	flakyPath = "/flaky"
)

// receiver is a customer's server that verifies its deliveries.
type receiver struct {
	url    string
	server *http.Server

	mu      sync.Mutex
	secrets map[string]string // by path
	tries   map[string]int    // by event
	got     map[string]chan delivery
}

type delivery struct {
	at       time.Time
	body     string
	verified bool
	answered int
}

func newReceiver() (*receiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo: receiver: %w", err)
	}
	r := &receiver{
		url:     "http://" + listener.Addr().String(),
		secrets: map[string]string{}, tries: map[string]int{}, got: map[string]chan delivery{},
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with close
	return r, nil
}

func (r *receiver) close() { _ = r.server.Close() }

func (r *receiver) expect(path, secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets[path] = secret
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		return
	}
	event := req.Header.Get("Webhook-Id")
	r.mu.Lock()
	r.tries[event]++
	d := delivery{at: time.Now(), body: string(body), answered: http.StatusOK}
	d.verified = verify(req.Header.Get("Webhook-Signature"), body, r.secrets[req.URL.Path])
	if req.URL.Path == flakyPath && r.tries[event] == 1 {
		d.answered = http.StatusInternalServerError
	}
	r.mu.Unlock()
	w.WriteHeader(d.answered)
	select {
	case r.inbox(event) <- d:
	default: // deliveries of the user's own events are not read
	}
}

// verify does what a receiver does: sign the body with the header's time and
// compare.
func verify(header string, body []byte, secret string) bool {
	var t int64
	if _, err := fmt.Sscanf(strings.Split(header, ",")[0], "t=%d", &t); err != nil {
		return false
	}
	return header == signing.Sign(body, time.Unix(t, 0), secret)
}

func (r *receiver) inbox(event string) chan delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.got[event] == nil {
		r.got[event] = make(chan delivery, 2)
	}
	return r.got[event]
}

// next waits for the next delivery of an event.
func (r *receiver) next(ctx context.Context, event string) (delivery, error) {
	select {
	case d := <-r.inbox(event):
		return d, nil
	case <-ctx.Done():
		return delivery{}, fmt.Errorf("demo: %s did not reach the receiver within %s: see the dispatcher's lines above", event, patience)
	}
}
