package e2e

import (
	"net/url"
	"strings"
	"testing"

	"portico/shared/testkit"
)

// A webhook reaches receivers on this machine, but not the stack itself: not its
// pages, and not its AWS services, even with this run's secret.
func TestWebhooksDoNotReachTheStack(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, shared)
	aws, err := url.Parse(shared.AWSURL)
	if err != nil {
		t.Fatal(err)
	}
	const invoke = "/2015-03-31/functions/portico-maintenance/invocations"
	var endpoints []string
	for _, target := range []string{
		"http://" + aws.Host + invoke, shared.AWSURL + invoke,
		shared.URL + "/_local/clock?offset=1h", shared.URL + "/_local/schedules/MaintenanceFunction",
		strings.Replace(shared.URL, "127.0.0.1", "localhost", 1) + "/_local/schedules/MaintenanceFunction",
	} {
		id, _ := c.endpoint(target)
		endpoints = append(endpoints, id)
	}
	c.publish(`1`)
	for _, id := range endpoints {
		var d delivery
		testkit.Await(t, "the first attempt", func() bool { d = c.deliveries(id)[0]; return len(d.Attempts) > 0 })
		if status := d.Attempts[0].StatusCode; d.Status != "pending" || status == nil || *status != 403 {
			t.Errorf("%+v", d)
		}
	}
	if stats, err := shared.Stats("maintenance"); err != nil || stats.Invocations != 0 {
		t.Errorf("a webhook invoked a function: %+v, %v", stats, err)
	}
	if n := count(t, shared, `SELECT count(*)::int FROM clock WHERE clock_offset <> '0'`); n != 0 {
		t.Error("a webhook moved the clock")
	}
}
