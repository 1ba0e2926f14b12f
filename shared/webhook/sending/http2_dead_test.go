package sending_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// If the other side of a kept HTTP/2 connection has died and answers no ping, the
// connection is given up: the delivery on it fails, and later ones get a new
// connection. Without pings all later deliveries would time out on it.
func TestDeadHTTP2Connection(t *testing.T) {
	t.Parallel()
	authority := testkit.NewAuthority(t)
	for _, tt := range []struct {
		name string
		size int // of the payload
		dies func(f frames, stop <-chan struct{})
	}{
		{"takes everything and answers nothing", 1, func(f frames, _ <-chan struct{}) { f.drain() }},
		{"takes nothing", 1, func(_ frames, stop <-chan struct{}) { <-stop }},
		{"takes nothing of what fills every buffer", 16 << 20, func(_ frames, stop <-chan struct{}) { <-stop }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stop := make(chan struct{})
			defer close(stop)
			var dead atomic.Bool
			url, connections := newFrameServer(t, authority, func(f frames) {
				_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
				_ = f.WriteWindowUpdate(0, 1<<30)
				for {
					stream, err := f.request()
					if err != nil || f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: headers(), EndHeaders: true, EndStream: true}) != nil {
						return
					}
					if !dead.Swap(true) {
						tt.dies(f, stop)
						return
					}
				}
			})
			// A busy machine answers pings within the two seconds. A try may take
			// far longer, so only the missing ping can end it.
			s := newSender(t, sending.MaxTimeout, authority)
			sending.PingAfter(s, 100*time.Millisecond, 2*time.Second)
			send := func(size int) sending.Outcome {
				return s.Send(context.Background(), sending.Try{
					Event: id.New[id.Event](time.Now()), Payload: bytes.Repeat([]byte(" "), size),
					Target: &sending.Target{URL: url, Timeout: sending.MaxTimeout, Signer: signing.Signer{Scheme: signing.SchemePortico, Secrets: []string{signing.NewSecret()}}},
				})
			}
			if r := send(1); !r.Delivered() {
				t.Fatalf("the first: %s", r.Error)
			}
			if r := send(tt.size); r.Error != "the connection was closed before the response was complete" {
				t.Errorf("the one that meets the dead connection: delivered %v, %q", r.Delivered(), r.Error)
			}
			if r := send(1); !r.Delivered() || connections.Load() < 2 {
				t.Errorf("the next: delivered %v, %q over %d connections", r.Delivered(), r.Error, connections.Load())
			}
		})
	}
}
