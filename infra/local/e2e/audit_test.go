package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"portico/shared/testkit"
)

// What a customer changes, and the creation of its organization, is soon in the chain of
// its audit log, which verifies.
func TestAuditChain(t *testing.T) {
	t.Parallel()
	const changes = 5
	c := newCustomer(t, shared)
	began := time.Now()
	for i := range changes {
		c.endpoint(fmt.Sprintf("https://example.com/%d", i))
	}
	var v struct {
		Head     struct{ Number int }
		Verified int
		Fault    any
	}
	testkit.Await(t, "the chain", func() bool {
		c.Do("GET", "/v1/audit-log/verify", "", http.StatusOK, &v)
		return v.Head.Number == changes+1
	})
	if v.Verified != changes+1 || v.Fault != nil {
		t.Errorf("%+v", v)
	}
	t.Logf("the chain was complete after %s", time.Since(began).Round(time.Millisecond))
}
