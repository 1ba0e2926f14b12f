package sending_test

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
	"pgregory.net/rapid"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// dialing returns a sender with a dialer.
func dialing(atMost time.Duration, authority *testkit.Authority, dialer net.Dialer) *sending.Sender {
	return sending.Over(&http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: authority.Pool()},
	}, &clock.Clock{}, atMost)
}

// exchangeOf decodes what a try left for the log.
func exchangeOf(t *testing.T, o sending.Outcome) sending.Exchange {
	t.Helper()
	e, err := sending.DecodeExchange(o.Exchange, o.StartedAt)
	testkit.Must(t, err)
	return e
}

// The phases of a first try add up to at most its latency. The next try uses the open
// connection, and has only the wait for the answer.
func TestLatencySplit(t *testing.T) {
	t.Parallel()
	authority := testkit.NewAuthority(t)
	certificate, key := authority.Issue(testkit.ECDSA(t), time.Now().AddDate(1, 0, 0), "localhost")
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	testkit.Must(t, err)
	rec := testkit.NewTLSReceiver(t, &tls.Config{Certificates: []tls.Certificate{pair}}, nil)
	url := strings.Replace(rec.URL, "127.0.0.1", "localhost", 1)
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}, ForceAttemptHTTP2: protocol == "HTTP/2"}
		s := sending.Over(transport, &clock.Clock{}, 5*time.Second)
		first, second := sendTo(s, url), sendTo(s, url)
		e, again := exchangeOf(t, first), exchangeOf(t, second)
		if !first.Delivered() || e.Reused || e.DNS <= 0 || e.Connect <= 0 || e.TLS <= 0 || e.FirstByte <= 0 ||
			e.DNS+e.Connect+e.TLS+e.FirstByte > first.Latency || !e.Address.IsLoopback() {
			t.Errorf("%s: the first try took %s (%q): %+v", protocol, first.Latency, first.Error, e)
		}
		if !second.Delivered() || !again.Reused || again.DNS+again.Connect+again.TLS != 0 || again.FirstByte <= 0 ||
			again.FirstByte > second.Latency || again.Address != e.Address {
			t.Errorf("%s: the second try took %s (%q): %+v", protocol, second.Latency, second.Error, again)
		}
	}
}

// A try that hangs shows where: the phase lasts until the try is given up, and those
// after it have not begun.
func TestWhereATryHangs(t *testing.T) {
	t.Parallel()
	const atMost = 400 * time.Millisecond
	authority := testkit.NewAuthority(t)
	names := testkit.NewNameServer(t)
	names.Fail(dnsmessage.RCodeSuccess, true)
	silent := newRawServer(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	silentTLS := testkit.NewTLSReceiver(t, authority.Server(), func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	stuck := net.Dialer{ControlContext: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	for i, tt := range []struct {
		phase  string
		url    string
		dialer net.Dialer
	}{
		{"dns", "https://receiver.example.com/", net.Dialer{Resolver: names.Resolver()}},
		{"connect", silentTLS.URL, stuck},
		{"tls", strings.Replace(silent, "http:", "https:", 1), net.Dialer{}},
		{"first byte", silentTLS.URL, net.Dialer{}},
	} {
		t.Run(tt.phase, func(t *testing.T) {
			t.Parallel()
			o := sendTo(dialing(atMost, authority, tt.dialer), tt.url)
			e := exchangeOf(t, o)
			phases := []time.Duration{e.DNS, e.Connect, e.TLS, e.FirstByte}
			if o.Answer != sending.AnswerTimeout || phases[i] < atMost/2 || slices.Max(append(phases[i+1:], 0)) > 0 {
				t.Errorf("%s %q after %s: %v", o.Answer, o.Error, o.Latency, phases)
			}
		})
	}
}

// The address is that of the receiver, also if it refuses; without a public address
// neither address nor connect is told.
func TestAddressDialled(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		testkit.NewReceiver(t, nil).URL: "127.0.0.1", "http://" + refusing(t): "127.0.0.1", "https://10.0.0.1/": "invalid IP", "https://nowhere.invalid/": "invalid IP",
	} {
		e := exchangeOf(t, sendTo(newSender(t, 5*time.Second, nil), url))
		if e.Address.String() != want || want == "invalid IP" && e.Connect != 0 {
			t.Errorf("%s: address %s, connect %s; want %s", url, e.Address, e.Connect, want)
		}
	}
}

// The log shows the headers that the receiver got, and no secret, even if the receiver
// repeats it: not in what is stored, and not in what is shown.
func TestHeadersWithoutSecrets(t *testing.T) {
	t.Parallel()
	const token, short, password = "planted-token-7Yw2", "planted-token", "planted password"
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.Header().Set("X-Echo-Part", "token="+token+";")
		w.Header().Set("Set-Cookie", "planted=cookie")
		w.Header().Set("X-New-Api-Key", "planted key")
		w.Header().Set("X-Kept", "kept")
		body := r.Header.Get("Authorization") + r.Header.Get("X-Password") + token
		fmt.Fprint(w, body, strings.Repeat(".", 4086-len(body)), password) // the excerpt ends within the password
	})
	for _, scheme := range []string{signing.SchemePortico, signing.SchemeStandard} {
		try := sending.Try{
			Org: id.New[id.Org](time.Now()), Event: id.New[id.Event](time.Now()), Endpoint: id.New[id.WebhookEndpoint](time.Now()), Payload: []byte(`1`),
			Target: &sending.Target{
				URL: rec.URL, Timeout: sending.MaxTimeout, Signer: signing.Signer{Scheme: scheme, Secrets: []string{signing.NewSecret()}},
				Headers: map[string]string{"Authorization": "Bearer " + token, "x-password": password, "X-Short": short, "X-Env": "1"},
			},
		}
		o := newSender(t, 5*time.Second, nil).Send(context.Background(), try)
		decoded := exchangeOf(t, o)
		shown := decoded.RequestHeaders(try.Event, o.StartedAt)
		all := fmt.Sprintf("%s %q %+v %+v", o.Exchange, o.Body, decoded, shown)
		if !o.Delivered() || strings.Contains(all, "planted") || len(o.Body) < 1000 {
			t.Errorf("%s: a secret is in the log, or the body is not: %s", o.Error, all)
		}
		got, names := rec.All()[len(rec.All())-1].Header, []string{}
		for _, f := range shown {
			names = append(names, f.Name)
			if want := got.Get(f.Name); f.Value != want && f.Value != "***" {
				t.Errorf("%s: the log says %q, the receiver got %q", f.Name, f.Value, want)
			}
		}
		got.Del("Content-Length")
		got.Del("Accept-Encoding")
		if len(names) != len(got) || got.Get("X-Password") != password {
			t.Errorf("the log has the headers %v, the receiver got %v", names, got)
		}
		if f := (sending.Field{Name: "X-Kept", Value: "kept"}); !slices.Contains(decoded.ResponseHeaders, f) {
			t.Errorf("%v is missing in %v", f, decoded.ResponseHeaders)
		}
	}
}

// A response with many or long headers is cut.
func TestResponseHeadersAreBounded(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1, 1000} {
		rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			for i := range 60 {
				w.Header().Add("X-Many", strings.Repeat("x", length))
				w.Header().Set(fmt.Sprintf("X-Other-%d", i), "y")
			}
		})
		o := sendTo(newSender(t, 5*time.Second, nil), rec.URL)
		if e := exchangeOf(t, o); !e.Cut || len(e.ResponseHeaders) > 64 || len(o.Exchange) > 5<<10 {
			t.Errorf("%d headers are kept, cut: %v", len(e.ResponseHeaders), e.Cut)
		}
	}
}

// What is stored is read again.
func TestExchangeCode(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 13, 30, 0, 0, time.UTC)
	text := rapid.OneOf(rapid.StringN(0, 40, 200), rapid.SampledFrom([]string{
		"***", "nosniff", "Sun, 22 Nov 2026 13:29:59 GMT", "Sun, 22 Nov 2026 13:30:01 GMT", "Mon, 22 Nov 2026 13:30:01 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "\xff\x00",
	}))
	name := rapid.OneOf(text, rapid.SampledFrom([]string{"Date", "Server", "X-Own"}))
	micros := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(0, 40e6).Draw(t, "micros")) * time.Microsecond
	})
	rapid.Check(t, func(t *rapid.T) {
		want := sending.Exchange{
			Reused: rapid.Bool().Draw(t, "reused"), FirstByte: micros.Draw(t, "first byte"),
			Scheme:        rapid.SampledFrom([]string{"portico", "standard", "standard_asymmetric"}).Draw(t, "scheme"),
			CustomHeaders: rapid.SliceOfN(name, 0, 20).Draw(t, "names"), Cut: rapid.Bool().Draw(t, "cut"),
		}
		if !want.Reused {
			want.DNS, want.Connect, want.TLS = micros.Draw(t, "dns"), micros.Draw(t, "connect"), micros.Draw(t, "tls")
		}
		want.Address, _ = netip.AddrFromSlice(rapid.SampledFrom([][]byte{nil, make([]byte, 4), make([]byte, 16)}).Draw(t, "address"))
		for range rapid.IntRange(0, 5).Draw(t, "fields") {
			want.ResponseHeaders = append(want.ResponseHeaders, sending.Field{Name: name.Draw(t, "name"), Value: text.Draw(t, "value")})
		}
		got, err := sending.DecodeExchange(want.Encode(at), at)
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(slices.Equal[[]string])); diff != "" || err != nil {
			t.Fatalf("-written +read: %s %v", diff, err)
		}
	})
}

// What older versions have stored can still be read.
func TestStoredExchange(t *testing.T) {
	at := time.Date(2026, 11, 22, 13, 30, 0, 0, time.UTC)
	stored, err := hex.DecodeString("0106a01fe807d00fb8175db8d822010114582d4f776e011303060014582d4f776e1d3f8a94ee3a2d2f0408c2b50f02")
	testkit.Must(t, err)
	got, err := sending.DecodeExchange(stored, at)
	want := sending.Exchange{
		DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Millisecond, FirstByte: 4 * time.Millisecond,
		Address: netip.MustParseAddr("93.184.216.34"), Scheme: "standard", CustomHeaders: []string{"X-Own"}, Cut: true,
		ResponseHeaders: []sending.Field{
			{Name: "Date", Value: "Sun, 22 Nov 2026 13:30:02 GMT"}, {Name: "Content-Type", Value: "application/json"},
			{Name: "X-Own", Value: "own value"}, {Name: "Server", Value: "µ"}, {Name: "Set-Cookie", Value: "***"},
		},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || err != nil {
		t.Errorf("-stored +read: %s %v", diff, err)
	}
}

// Whatever is stored, reading it ends without a panic.
func FuzzDecodeExchange(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 5, 10, 127, 0, 0, 1, 0, 0, 1, 7, 2, 3})
	f.Fuzz(func(t *testing.T, stored []byte) {
		e, err := sending.DecodeExchange(stored, time.Unix(1e9, 0))
		if err == nil && len(e.CustomHeaders) > 255 {
			t.Errorf("%d custom headers", len(e.CustomHeaders))
		}
	})
}
