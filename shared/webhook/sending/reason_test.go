package sending_test

import (
	"net"
	"net/netip"
	"testing"

	"portico/shared/egress"
	"portico/shared/webhook/sending"
)

// A customer gets the same error for a name that does not exist and for a name in
// our own network.
func TestPrivateNamesLookLikeMissingOnes(t *testing.T) {
	missing := sending.Reason(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, "")
	private := sending.Reason(&net.OpError{Op: "dial", Err: egress.Policy{}.Check(netip.MustParseAddr("10.0.0.1"))}, "")
	if missing != private {
		t.Errorf("missing: %q, private: %q", missing, private)
	}
}
