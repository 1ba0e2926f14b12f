package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// runtimeTransport sends requests to the Runtime API and reads the replies in the
// caller's goroutine. net/http's transport hands each request to two other
// goroutines, and sends an answer's head and body apart because aws-lambda-go does
// not tell the length.
type runtimeTransport struct {
	address string // of the Runtime API, which has neither TLS nor a proxy
	others  http.RoundTripper

	mu   sync.Mutex
	idle []*runtimeConn
}

// callRuntimeDirectly makes a runtimeTransport the default transport: that is the
// one that aws-lambda-go uses, and there is no option for another.
func callRuntimeDirectly() {
	if address, _, _ := strings.Cut(os.Getenv("AWS_LAMBDA_RUNTIME_API"), "/"); address != "" {
		http.DefaultTransport = &runtimeTransport{address: address, others: http.DefaultTransport}
	}
}

// runtimeConn is used by one request at a time.
type runtimeConn struct {
	net.Conn
	in    *bufio.Reader
	body  bytes.Buffer
	head  bytes.Buffer
	since time.Time // when it became idle
}

// RoundTrip is http.RoundTripper's.
func (t *runtimeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != t.address || r.URL.Scheme != "http" {
		return t.others.RoundTrip(r)
	}
	c, err := t.take(r.Context())
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(r.Context(), func() { _ = c.Close() })
	reply, err := c.exchange(r)
	if err != nil {
		stop()
		_ = c.Close() // it has failed already
		return nil, errors.Join(r.Context().Err(), err)
	}
	reply.Body = runtimeBody{reply.Body, func(err error) error {
		if !stop() || err != nil || reply.Close {
			return c.Close()
		}
		t.put(c)
		return nil
	}}
	return reply, nil
}

// maxIdle is how long a connection may have been idle: its other end could have
// closed an older one.
const maxIdle = time.Second

func (t *runtimeTransport) take(ctx context.Context) (*runtimeConn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := len(t.idle); n > 0; n = len(t.idle) {
		c := t.idle[n-1]
		t.idle = t.idle[:n-1]
		if time.Since(c.since) < maxIdle {
			return c, nil
		}
		_ = c.Close() // nothing was being sent
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	return &runtimeConn{Conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}, nil
}

func (t *runtimeTransport) put(c *runtimeConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.since = time.Now()
	t.idle = append(t.idle, c)
}

// exchange sends a request in one piece and reads the head of its reply.
func (c *runtimeConn) exchange(r *http.Request) (*http.Response, error) {
	c.body.Reset()
	if r.Body != nil {
		defer r.Body.Close()
		if _, err := c.body.ReadFrom(r.Body); err != nil {
			return nil, err
		}
	}
	for name, values := range r.Trailer { // how aws-lambda-go reports a body that cannot be read
		if len(values) > 0 {
			return nil, fmt.Errorf("the answer could not be read: %s: %s", name, values[0])
		}
	}
	c.head.Reset()
	fmt.Fprintf(&c.head, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.URL.RequestURI(), r.URL.Host)
	if err := r.Header.Write(&c.head); err != nil {
		return nil, err
	}
	if r.Body != nil {
		fmt.Fprintf(&c.head, "Content-Length: %d\r\n", c.body.Len())
	}
	c.head.WriteString("\r\n")
	pieces := net.Buffers{c.head.Bytes(), c.body.Bytes()}
	if _, err := pieces.WriteTo(c.Conn); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.in, r)
}

// runtimeBody is the body of a reply. Close reads the rest of it, so that the
// connection can be used again.
type runtimeBody struct {
	io.ReadCloser
	closed func(error) error
}

// Close is io.Closer's.
func (b runtimeBody) Close() error { return b.closed(b.ReadCloser.Close()) }
