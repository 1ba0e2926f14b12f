package sending_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"portico/shared/testkit"
)

// frames is one connection of a server that speaks HTTP/2 frame by frame.
type frames struct {
	*http2.Framer
	conn net.Conn
}

// request reads until a request has arrived whole and returns its stream. Pings
// are answered meanwhile.
func (f frames) request() (stream uint32, err error) {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return 0, err
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			if frame.StreamEnded() {
				return frame.StreamID, nil
			}
		case *http2.PingFrame:
			if err := f.WritePing(true, frame.Data); err != nil {
				return 0, err
			}
		}
	}
}

// headers packs the fields of a response.
func headers(fields ...hpack.HeaderField) []byte {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range append([]hpack.HeaderField{{Name: ":status", Value: "200"}}, fields...) {
		_ = e.WriteField(f) // a buffer takes everything
	}
	return block.Bytes()
}

// newFrameServer runs act on every connection, after the preface, until the
// other side closes it, and counts connections.
func newFrameServer(t *testing.T, authority *testkit.Authority, act func(frames)) (url string, connections *atomic.Int64) {
	t.Helper()
	config := authority.Server()
	config.NextProtos = []string{"h2"}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	connections = &atomic.Int64{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer conn.Close()
				if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
					return
				}
				f := frames{http2.NewFramer(conn, conn), conn}
				if f.WriteSettings() == nil {
					act(f)
				}
			}()
		}
	}()
	return "https://" + listener.Addr().String(), connections
}

// drain reads what still comes, so that the other side never waits to write.
func (f frames) drain() {
	for {
		if _, err := f.ReadFrame(); err != nil {
			return
		}
	}
}

// forever repeats a write until the connection ends.
func forever(write func() error) {
	for write() == nil {
	}
}

// A delivery over HTTP/2 works, and the next one uses the same connection.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	authority := testkit.NewAuthority(t)
	var proto atomic.Value
	rec := testkit.NewTLSReceiver(t, authority.Server(), func(_ int, w http.ResponseWriter, r *http.Request) {
		proto.Store(r.Proto)
		_, _ = io.WriteString(w, "thanks")
	})
	s := newSender(t, 5*time.Second, authority)
	for range 3 {
		if r := sendTo(s, rec.URL); !r.Delivered() || string(r.Body) != "thanks" {
			t.Errorf("delivered: %v, %q %q", r.Delivered(), r.Error, r.Body)
		}
	}
	if rec.Connections() != 1 || proto.Load() != "HTTP/2.0" {
		t.Errorf("%d connections by %v, want 1 by HTTP/2.0", rec.Connections(), proto.Load())
	}
}

// Whatever HTTP/2 frames a server sends, the try ends in time, counts as
// delivered only if it was, and has a readable error and a bounded excerpt.
// Deliveries to other servers still work.
func TestHostileHTTP2(t *testing.T) {
	t.Parallel()
	authority := testkit.NewAuthority(t)
	long := strings.Repeat("x", 15<<10)
	reset := func(code http2.ErrCode) func(frames) {
		return func(f frames) {
			for {
				stream, err := f.request()
				if err != nil || f.WriteRSTStream(stream, code) != nil {
					return
				}
			}
		}
	}
	// begun answers the head of a 200 and leaves the rest to act.
	begun := func(act func(f frames, stream uint32)) func(frames) {
		return func(f frames) {
			stream, err := f.request()
			if err != nil || f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: headers(), EndHeaders: true}) != nil {
				return
			}
			go f.drain()
			act(f, stream)
		}
	}
	for _, tt := range []struct {
		name string
		act  func(frames)
	}{
		{"closes at once", func(frames) {}},
		{"GOAWAY at once", func(f frames) { _ = f.WriteGoAway(0, http2.ErrCodeNo, nil); f.drain() }},
		{"GOAWAY at once, and closes", func(f frames) { _ = f.WriteGoAway(0, http2.ErrCodeNo, nil) }},
		{"GOAWAY with an error", func(f frames) { _, _ = f.request(); _ = f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil); f.drain() }},
		{"GOAWAY inside a response", begun(func(f frames, stream uint32) { _ = f.WriteGoAway(stream, http2.ErrCodeInternal, nil) })},
		{"refuses every stream", reset(http2.ErrCodeRefusedStream)},
		{"resets every stream", reset(http2.ErrCodeInternal)},
		{"resets inside a response", begun(func(f frames, stream uint32) { _ = f.WriteRSTStream(stream, http2.ErrCodeCancel); f.drain() })},
		{"never answers", func(f frames) { f.drain() }},
		{"never reads", func(f frames) { forever(func() error { return f.WritePing(false, [8]byte{}) }) }},
		{"floods with SETTINGS", func(f frames) { go f.drain(); forever(func() error { return f.WriteSettings() }) }},
		{"floods with PING", func(f frames) { go f.drain(); forever(func() error { return f.WritePing(false, [8]byte{}) }) }},
		{"floods with empty DATA", begun(func(f frames, stream uint32) { forever(func() error { return f.WriteData(stream, false, nil) }) })},
		{"a header of a megabyte", func(f frames) {
			stream, _ := f.request()
			go f.drain()
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: headers()})
			field := headers(hpack.HeaderField{Name: "x", Value: long})[1:]
			for range 64 {
				if f.WriteContinuation(stream, false, field) != nil {
					return
				}
			}
			_ = f.WriteContinuation(stream, true, nil)
		}},
		{"CONTINUATION without end", func(f frames) {
			stream, _ := f.request()
			go f.drain()
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: headers()})
			forever(func() error { return f.WriteContinuation(stream, false, nil) })
		}},
		{"a frame longer than agreed", func(f frames) { _, _ = f.conn.Write([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1}); f.drain() }},
		{"a window of nothing", func(f frames) {
			_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			f.drain()
		}},
		{"no streams allowed", func(f frames) {
			_ = f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
			f.drain()
		}},
		{"pushes", func(f frames) {
			stream, _ := f.request()
			_ = f.WritePushPromise(http2.PushPromiseParam{StreamID: stream, PromiseID: 2, BlockFragment: headers(), EndHeaders: true})
			f.drain()
		}},
		{"nonsense", func(f frames) { _, _ = f.conn.Write([]byte(strings.Repeat("nonsense", 100))) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, connections := newFrameServer(t, authority, tt.act)
			s := newSender(t, time.Second, authority)
			start := time.Now()
			r := sendTo(s, url)
			if took := time.Since(start); took > 4*time.Second || r.Delivered() || len(r.Error) < 10 || len(r.Body) > 4<<10 {
				t.Errorf("delivered: %v, %q after %s, %d bytes kept", r.Delivered(), r.Error, took, len(r.Body))
			}
			if n := connections.Load(); n > 4 {
				t.Errorf("one try made %d connections", n)
			}
			good := testkit.NewTLSReceiver(t, authority.Server(), nil)
			if r := sendTo(s, good.URL); !r.Delivered() {
				t.Errorf("another endpoint afterwards: %s", r.Error)
			}
		})
	}
}
