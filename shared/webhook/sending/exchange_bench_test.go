package sending_test

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// exchanges are what common servers answer.
var exchanges = []struct {
	name   string
	reused bool
	header http.Header
}{
	{"empty reply of a Go server, open connection", true, http.Header{
		"Date": {"Sun, 22 Nov 2026 13:30:01 GMT"}, "Content-Length": {"0"},
	}},
	{"new connection", false, http.Header{
		"Date": {"Sun, 22 Nov 2026 13:30:01 GMT"}, "Content-Length": {"2"}, "Content-Type": {"text/plain; charset=utf-8"},
	}},
	{"Rails behind nginx", true, http.Header{
		"Server": {"nginx"}, "Date": {"Sun, 22 Nov 2026 13:30:01 GMT"}, "Content-Type": {"application/json; charset=utf-8"}, "Content-Length": {"17"},
		"Connection": {"keep-alive"}, "X-Frame-Options": {"SAMEORIGIN"}, "X-Xss-Protection": {"0"}, "X-Content-Type-Options": {"nosniff"},
		"Etag": {`W/"444bcb3a3fcf8389296c49467f27e1d6"`}, "Cache-Control": {"max-age=0, private, must-revalidate"},
		"X-Request-Id": {"8f2a1b9e-6a57-4b0e-9f3d-2f9d1c7e5a44"}, "X-Runtime": {"0.012345"}, "Vary": {"Accept-Encoding"},
		"Set-Cookie": {"_session=abcdefghijklmnopqrstuvwxyz; path=/; HttpOnly"},
	}},
	{"Cloudflare", true, http.Header{
		"Date": {"Sun, 22 Nov 2026 13:30:01 GMT"}, "Content-Type": {"application/json"}, "Content-Length": {"15"}, "Connection": {"keep-alive"},
		"Cf-Cache-Status": {"DYNAMIC"}, "Server": {"cloudflare"}, "Cf-Ray": {"8e6b2f3c9d5a1b2c-FRA"}, "Alt-Svc": {`h3=":443"; ma=86400`},
		"Report-To": {`{"endpoints":[{"url":"https:\/\/a.nel.cloudflare.com\/report\/v4?s=Zq5rQ0k3v%2FJ8n1mP"}],"group":"cf-nel","max_age":604800}`},
		"Nel":       {`{"success_fraction":0,"report_to":"cf-nel","max_age":604800}`},
	}},
}

// BenchmarkExchange measures what the log of a try costs: bytes stored and time to
// collect and encode it.
func BenchmarkExchange(b *testing.B) {
	at := time.Date(2026, 11, 22, 13, 30, 0, 0, time.UTC)
	target := &sending.Target{Signer: signing.Signer{Scheme: signing.SchemePortico}}
	for _, e := range exchanges {
		b.Run(e.name, func(b *testing.B) {
			plain := 0
			for name, values := range e.header {
				plain += len(name) + len(values[0]) + 4
			}
			var stored []byte
			for b.Loop() {
				x := sending.Exchange{
					Reused: e.reused, FirstByte: 2345 * time.Microsecond, DNS: time.Millisecond, Connect: 12 * time.Millisecond,
					TLS: 34 * time.Millisecond, Address: netip.MustParseAddr("93.184.216.34"),
				}
				sending.Note(&x, target, e.header)
				stored = x.Encode(at)
			}
			b.ReportMetric(float64(plain), "header-bytes")
			b.ReportMetric(float64(len(stored)), "stored-bytes")
			b.ReportAllocs()
		})
	}
}
