package sending_test

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// A sender keeps transports for a bounded number of endpoints. It drops the least
// recently used one and closes its connections.
func TestClientTransportsAreBounded(t *testing.T) {
	t.Parallel()
	authority := testkit.NewAuthority(t)
	rec := testkit.NewTLSReceiver(t, authority.Demanding(tls.VersionTLS13), nil)
	sender := newSender(t, 10*time.Second, authority)
	certificate, key := authority.Issue(testkit.ECDSA(t), time.Now().AddDate(1, 0, 0))
	parsed, err := sending.ParseClientCertificate(certificate, key, time.Now())
	testkit.Must(t, err)
	org := id.New[id.Org](time.Now())
	tries := make([]sending.Try, sending.MaxClientTransports+1)
	for i := range tries {
		tries[i] = sending.Try{
			Org: org, Endpoint: id.New[id.WebhookEndpoint](time.Now()), Payload: []byte(`1`),
			Target: &sending.Target{URL: rec.URL, Timeout: 10 * time.Second, Signer: signing.Signer{Scheme: signing.SchemePortico, Secrets: []string{signing.NewSecret()}}, Certificate: parsed},
		}
	}
	send := func(i int) {
		t.Helper()
		if r := sender.Send(context.Background(), tries[i]); !r.Delivered() {
			t.Fatalf("%d: %s", i, r.Error)
		}
	}
	for i := range tries {
		send(i)
		send(0) // is used last each time, so it stays
	}
	if n := rec.Connections(); n != len(tries) {
		t.Errorf("%d connections of %d endpoints", n, len(tries))
	}
	send(1)
	if n := rec.Connections(); n != len(tries)+1 {
		t.Errorf("%d connections after the least recently used endpoint came back, want %d", n, len(tries)+1)
	}
	if n := sending.ClientTransportsOf(sender); n != sending.MaxClientTransports {
		t.Errorf("%d transports are kept, want %d", n, sending.MaxClientTransports)
	}
}
