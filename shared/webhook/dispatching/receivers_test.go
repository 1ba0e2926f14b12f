package dispatching_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/egress"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
)

// Whatever a receiver does, the try ends in time and says what happened.
func TestBadReceivers(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	stop := make(chan struct{})
	for _, tt := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter, r *http.Request)
		status webhook.Status
		cause  string
	}{
		{"slow to answer", func(_ int, _ http.ResponseWriter, _ *http.Request) { <-stop }, webhook.Pending, "no complete response within 2s"},
		{"slow to end its 200", func(_ int, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "partial")
			w.(http.Flusher).Flush()
			<-stop
		}, webhook.Pending, "no complete response within 2s"},
		{"redirects", func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, webhook.Pending, "redirects are not followed: give the final URL"},
		{"closes", func(_ int, w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		}, webhook.Pending, "the connection was closed before the response was complete"},
		{"talks nonsense", func(_ int, w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprint(conn, "SSH-2.0-OpenSSH_9.2\r\n\r\n")
			conn.Close()
		}, webhook.Pending, "the response is not valid HTTP"},
		{"answers 200 without end", func(_ int, w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		}, webhook.Delivered, ""},
		{"answers 204", func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, webhook.Delivered, ""},
		{"answers 304", func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, webhook.Pending, "redirects are not followed: give the final URL"},
	} {
		rec := testkit.NewReceiver(t, tt.answer)
		endpoint, _ := e.endpoint(rec.URL, "*")
		defer func() {
			t.Run(tt.name, func(t *testing.T) {
				d := e.deliveries(webhook.DeliveryFilter{EndpointID: endpoint})
				if len(d) != 1 || d[0].Status != tt.status || len(rec.All()) != 1 {
					t.Fatalf("%+v after %d requests", d, len(rec.All()))
				}
				a := e.attempts(d[0])[0]
				if cause := value(a.Error); cause != tt.cause {
					t.Errorf("error %q, want %q", cause, tt.cause)
				}
				if len(a.ResponseBody) > 4096 {
					t.Errorf("%d bytes of the response are kept", len(a.ResponseBody))
				}
			})
		}()
	}
	e.publish(`{}`)
	e.dispatch()
	close(stop)
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// noPublicAddress is the error both of a private address and of a name that does
// not exist.
const noPublicAddress = "the host has no public address: its name does not resolve, or leads to a private or reserved address"

// A receiver on a private address is not dialled unless the policy allows it.
func TestPrivateReceiver(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	e.endpoint(rec.URL, "*")
	e.endpoint(strings.Replace(rec.URL, "127.0.0.1", "localhost", 1), "*")
	e.publish(`1`)
	d := e.dispatcher()
	d.Sender = sending.New(egress.Policy{}, e.Clock, time.Second)
	testkit.Must(t, d.Run(context.Background()))
	for _, d := range e.deliveries(webhook.DeliveryFilter{}) {
		if cause := value(e.attempts(d)[0].Error); cause != noPublicAddress {
			t.Errorf("error %q", cause)
		}
	}
	if n := len(rec.All()); n != 0 {
		t.Errorf("%d requests reached the private receiver", n)
	}
}
