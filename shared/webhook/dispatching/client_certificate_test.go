package dispatching_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"portico/shared/egress"
	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
)

// setCertificate gives an endpoint a certificate and returns its private key in
// all forms in which it could be stored unencrypted by mistake.
func (e *engine) setCertificate(endpoint id.WebhookEndpoint, authority *testkit.Authority, key crypto.Signer) (certificate string, clear [][]byte) {
	e.t.Helper()
	certificate, private := authority.Issue(key, e.Clock.Now().AddDate(1, 0, 0))
	parsed, err := sending.ParseClientCertificate(certificate, private, e.Clock.Now())
	testkit.Must(e.t, err)
	e.setOptions(endpoint, webhook.OptionsChange{ClientCertificate: parsed})
	block, _ := pem.Decode([]byte(private))
	return certificate, [][]byte{[]byte(private), []byte(private)[30:90], block.Bytes}
}

// trusting is a sender that trusts the authority's servers.
func (e *engine) trusting(authority *testkit.Authority, timeout time.Duration) *sending.Sender {
	e.t.Helper()
	transport := testkit.Loopback(e.t).Transport()
	transport.TLSClientConfig = &tls.Config{RootCAs: authority.Pool()}
	return sending.Over(transport, e.Clock, timeout)
}

// dispatchBy runs a dispatcher with this sender.
func (e *engine) dispatchBy(s *sending.Sender) {
	e.t.Helper()
	d := e.dispatcher()
	d.Sender = s
	testkit.Must(e.t, d.Run(context.Background()))
}

// demands are the possible errors of an attempt without a certificate. The second
// one occurs if the alert is lost because the server closes while we write.
var demands = []string{
	"the server demands a client certificate: set client_certificate of the endpoint",
	"the server asked for a client certificate and closed the connection: set client_certificate of the endpoint",
}

// A server that demands a client certificate gets the endpoint's certificate and
// then the delivery, over connections that are kept. Without a certificate, with
// one of another authority, and after its removal, the attempt says what to do.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	refused := []string{"the server does not accept the client certificate, or demands one",
		"the server closed the connection after it got the client certificate: it may not accept this certificate"}
	for _, tt := range []struct {
		name             string
		version          uint16
		without, strange []string
	}{
		{"TLS 1.3", tls.VersionTLS13, demands, refused},
		{"TLS 1.2", tls.VersionTLS12, []string{"the server refused the TLS handshake: it may demand a client certificate", demands[1]}, refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, authority := newEngine(t), testkit.NewAuthority(t)
			var mu sync.Mutex
			var presented [][]byte
			rec := testkit.NewTLSReceiver(t, authority.Demanding(tt.version), func(_ int, _ http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				presented = append(presented, r.TLS.PeerCertificates[0].Raw)
			})
			endpoint, _ := e.endpoint(rec.URL, "*")
			sender := e.trusting(authority, 2*time.Second)
			var certificate string
			for _, step := range []struct {
				name   string
				set    func()
				causes []string
			}{
				{"without a certificate", func() {}, tt.without},
				{"with another authority's", func() { e.setCertificate(endpoint, testkit.NewAuthority(t), testkit.ECDSA(t)) }, tt.strange},
				{"with its own", func() { certificate, _ = e.setCertificate(endpoint, authority, testkit.ECDSA(t)) }, []string{""}},
				{"again", func() {}, []string{""}},
				{"after its removal", func() { e.setOptions(endpoint, webhook.OptionsChange{ClientCertificate: &sending.ClientCertificate{}}) }, tt.without},
			} {
				step.set()
				event := e.publish(`1`)[0]
				e.dispatchBy(sender)
				for _, d := range e.deliveries(webhook.DeliveryFilter{EndpointID: endpoint}) {
					if d.EventID != event.ID {
						continue
					}
					if cause := value(e.attempts(d)[0].Error); !slices.Contains(step.causes, cause) {
						t.Errorf("%s: error %q, want one of %q", step.name, cause, step.causes)
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			block, _ := pem.Decode([]byte(certificate))
			if len(presented) != 2 || !bytes.Equal(presented[0], block.Bytes) || !bytes.Equal(presented[1], block.Bytes) {
				t.Errorf("%d deliveries came with a certificate, want 2 with the endpoint's", len(presented))
			}
			// One connection for each certificate, and one without: the second
			// delivery used a kept connection.
			if n := rec.Connections(); n != 4 {
				t.Errorf("%d connections, want 4", n)
			}
		})
	}
}

// Two endpoints of one server share no connection when their certificates
// differ, and an endpoint without one presents none.
func TestCertificatesAreNotShared(t *testing.T) {
	t.Parallel()
	e, authority := newEngine(t), testkit.NewAuthority(t)
	config := authority.Demanding(tls.VersionTLS13)
	config.ClientAuth = tls.VerifyClientCertIfGiven
	var mu sync.Mutex
	got := map[string]string{} // by path, whose certificate came
	rec := testkit.NewTLSReceiver(t, config, func(_ int, _ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for _, one := range r.TLS.PeerCertificates {
			got[r.URL.Path] += string(one.Raw)
		}
	})
	want := map[string]string{}
	for _, path := range []string{"/a", "/b"} {
		endpoint, _ := e.endpoint(rec.URL+path, "*")
		certificate, _ := e.setCertificate(endpoint, authority, testkit.ECDSA(t))
		block, _ := pem.Decode([]byte(certificate))
		want[path] = string(block.Bytes)
	}
	e.endpoint(rec.URL+"/none", "*")
	e.publish(`1`)
	e.dispatchBy(e.trusting(authority, 2*time.Second))
	if len(rec.All()) != 3 || got["/a"] != want["/a"] || got["/b"] != want["/b"] || got["/none"] != "" {
		t.Errorf("%d deliveries; certificates are mixed up: /none presented %d bytes", len(rec.All()), len(got["/none"]))
	}
}

// An endpoint with a certificate cannot reach a private address either.
func TestClientCertificateAndEgress(t *testing.T) {
	t.Parallel()
	e, authority := newEngine(t), testkit.NewAuthority(t)
	rec := testkit.NewTLSReceiver(t, authority.Demanding(tls.VersionTLS13), nil)
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setCertificate(endpoint, authority, testkit.ECDSA(t))
	e.publish(`1`)
	e.dispatchBy(sending.New(egress.Policy{}, e.Clock, time.Second))
	if cause := value(e.attempts(e.deliveries(webhook.DeliveryFilter{})[0])[0].Error); cause != noPublicAddress || rec.Connections() != 0 {
		t.Errorf("error %q after %d connections", cause, rec.Connections())
	}
}

// The private key is not stored in clear in any row of the endpoint, and is not
// logged.
func TestClientKeyIsSealed(t *testing.T) {
	t.Parallel()
	e, authority := newEngine(t), testkit.NewAuthority(t)
	rec := testkit.NewTLSReceiver(t, authority.Demanding(tls.VersionTLS13), nil)
	endpoint, _ := e.endpoint(rec.URL, "*")
	_, clear := e.setCertificate(endpoint, authority, testkit.ECDSA(t))
	e.publish(`1`)
	e.dispatchBy(e.trusting(authority, 2*time.Second))
	for _, form := range clear {
		if testkit.Value[bool](t, e.Database, `SELECT position($1 IN sealed_client_key) > 0 OR position($1 IN client_certificate) > 0 FROM webhook_endpoint`, form) ||
			bytes.Contains([]byte(e.lines.String()), form) {
			t.Error("the private key lies in clear")
		}
	}
	sealed := testkit.Value[[]byte](t, e.Database, `SELECT sealed_client_key FROM webhook_endpoint`)
	plain, err := e.box.Open(sealed, "webhook_client_key/"+e.org.String()+"/"+endpoint.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParsePKCS8PrivateKey(plain); err != nil {
		t.Errorf("what is sealed is no private key: %v", err)
	}
}
