package sending_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// newSender may dial this machine and trusts the authority's servers.
func newSender(t *testing.T, atMost time.Duration, authority *testkit.Authority) *sending.Sender {
	t.Helper()
	s := sending.New(testkit.Loopback(t), &clock.Clock{}, atMost)
	if authority != nil {
		sending.Trust(s, authority.Pool())
	}
	return s
}

// sendTo makes one try to a URL.
func sendTo(s *sending.Sender, url string) sending.Outcome {
	return s.Send(context.Background(), sending.Try{
		Org: id.New[id.Org](time.Now()), Event: id.New[id.Event](time.Now()), Endpoint: id.New[id.WebhookEndpoint](time.Now()),
		Payload: []byte(`{"a":1}`),
		Target: &sending.Target{
			URL: url, Timeout: sending.MaxTimeout, Signer: signing.Signer{Scheme: signing.SchemePortico, Secrets: []string{signing.NewSecret()}},
		},
	})
}

// A compressed response that would unpack to a gigabyte is not unpacked: only
// its first 4 KiB are kept as received, and memory does not grow.
func TestCompressionBomb(t *testing.T) {
	var member bytes.Buffer
	packer := gzip.NewWriter(&member)
	if _, err := packer.Write(make([]byte, 16<<20)); err != nil {
		t.Fatal(err)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	bomb := bytes.Repeat(member.Bytes(), 64) // gzip unpacks members one after another
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb)
	})
	s := newSender(t, 10*time.Second, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := sendTo(s, rec.URL)
	runtime.ReadMemStats(&after)
	if !r.Delivered() || !bytes.Equal(r.Body, bomb[:4<<10]) {
		t.Errorf("delivered: %v, %q, %d bytes are kept", r.Delivered(), r.Error, len(r.Body))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d MiB were allocated for a bomb of %d KiB", used>>20, len(bomb)>>10)
	}
}

// drip writes text a piece at a time, faster than any pause that could count as
// the end, until the connection ends.
func drip(ctx context.Context, w io.Writer, piece string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Connect, headers and body share one deadline, even if data arrives all the
// time.
func TestDrips(t *testing.T) {
	t.Parallel()
	raw := func(start, piece string) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, start)
			drip(t.Context(), conn, piece)
		}
	}
	for _, tt := range []struct {
		name   string
		answer func(int, http.ResponseWriter, *http.Request)
	}{
		{"a body byte by byte", func(_ int, w http.ResponseWriter, r *http.Request) { drip(r.Context(), w, "x") }},
		{"a status line letter by letter", raw("HTTP/1.1 200 O", "K")},
		{"header fields one by one", raw("HTTP/1.1 200 OK\r\n", "X: y\r\n")},
		{"one header field letter by letter", raw("HTTP/1.1 200 OK\r\nX: ", "y")},
		{"informational responses", raw("", "HTTP/1.1 103 Early Hints\r\n\r\n")},
		{"trailers", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n")},
		{"empty chunk extensions", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := testkit.NewReceiver(t, tt.answer)
			start := time.Now()
			r := sendTo(newSender(t, 500*time.Millisecond, nil), rec.URL)
			if took := time.Since(start); took > 2*time.Second || r.Delivered() || len(r.Body) > 4<<10 || len(rec.All()) != 1 {
				t.Errorf("delivered: %v after %s and %d requests, %d bytes kept", r.Delivered(), took, len(rec.All()), len(r.Body))
			}
			if !strings.HasPrefix(r.Error, "no complete response within") && r.Error != "the response is not valid HTTP" {
				t.Errorf("error %q", r.Error)
			}
		})
	}
}
