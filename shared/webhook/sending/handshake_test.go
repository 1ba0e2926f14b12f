package sending_test

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// demands are the possible errors of a try without a certificate. The second one
// occurs if the alert is lost because the server closes while we write.
var demands = []string{
	"the server demands a client certificate: set client_certificate of the endpoint",
	"the server asked for a client certificate and closed the connection: set client_certificate of the endpoint",
}

// If a server demands a client certificate and a try has none, the error always
// names the certificate, even if the alert is lost because a large payload is
// written while the server closes the connection.
func TestDemandForCertificate(t *testing.T) {
	t.Parallel()
	authority := testkit.NewAuthority(t)
	for _, protocols := range [][]string{{"h2"}, {"http/1.1"}} {
		config := authority.Demanding(tls.VersionTLS13)
		config.NextProtos = protocols
		rec := testkit.NewTLSReceiver(t, config, nil)
		s := newSender(t, 10*time.Second, authority)
		payload := []byte(strings.Repeat(" ", 256<<10))
		for range 100 {
			r := s.Send(context.Background(), sending.Try{
				Event: id.New[id.Event](time.Now()), Payload: payload,
				Target: &sending.Target{URL: rec.URL, Timeout: 10 * time.Second, Signer: signing.Signer{Scheme: signing.SchemePortico, Secrets: []string{signing.NewSecret()}}},
			})
			if !slices.Contains(demands, r.Error) {
				t.Fatalf("over %s: error %q, want one of %q", protocols, r.Error, demands)
			}
		}
	}
}
