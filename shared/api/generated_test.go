package api_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/infra/fuzz/generate"
	"portico/infra/local/gateway"
	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/api/reference"
	"portico/shared/api/system"
	"portico/shared/lambdahost/web"
	"portico/shared/testkit"
)

var (
	requests = flag.Int("requests", 500, "how many generated requests TestGeneratedRequests sends")
	seed     = flag.Uint64("seed", 0, "of the generated requests; 0: a random one")
)

// marker is in the data of an organization that the generated requests do not
// belong to.
const marker = "qzmarkerzq"

// Requests that are generated from the description alone, valid and broken ones,
// sent through the gateway: none gets a 5xx, a reply that differs from its
// description, a detail that no reply may tell or another organization's data, and
// nothing of the other organization changes.
func TestGeneratedRequests(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	evil := h.Organization("Evil " + marker)
	foreign := planted(evil)
	acme := h.Organization("Acme")
	things(acme)
	key := regexp.MustCompile(`key_\w{26}`).FindString(acme.Do("GET", "/v1/api-keys", "").Body)
	address := served(t, h)
	run := generate.Run{
		Document: apitest.Published(), Seed: *seed, Marker: marker, Foreign: []byte(foreign), Secrets: []string{evil.Key},
		Customer: generate.Caller{Key: acme.Key, Org: acme.Org.String(), Own: key}, Staff: generate.Caller{Key: h.NewStaff().Key},
		Progress: progress(*requests),
	}
	if run.Seed == 0 {
		run.Seed = rand.Uint64()
	}
	conn := &generate.Conn{Address: address}
	defer conn.Close()
	run.Send = conn.Send
	before := apitest.Checksum(evil)
	failures := run.Do(*requests, 10)
	for _, f := range failures {
		t.Errorf("%s\ncause: %s", f, causeOf(h, f.Reply.Header.Get("X-Request-Id")))
	}
	if after := apitest.Checksum(evil); after != before {
		t.Errorf("the other organization was\n%s\nand is\n%s", before, after)
	}
	t.Logf("\n%s", run.Summary())
	if t.Failed() {
		t.Logf("to repeat it: make test PKG=\"-run TestGeneratedRequests ./shared/api -seed %d -requests %d\"", run.Seed, *requests)
	}
}

// planted gives an organization one of each thing, with the marker in every text
// that may have it. It returns a text with all their ids.
func planted(c apitest.Caller) string {
	c.T.Helper()
	ids := fmt.Sprint(things(c))
	for path, body := range map[string]string{
		"/v1/webhook-endpoints": `{"url":"https://` + marker + `.example/","event_types":["*"],"description":"` + marker + `","metadata":{"a":"` + marker + `"},"custom_headers":{"X-A":"` + marker + `"}}`,
		"/v1/roles":             `{"name":"` + marker + `","description":"` + marker + `","permissions":["events:read"]}`,
		"/v1/members":           `{"email":"` + marker + `@example.com","name":"` + marker + `","role":"viewer"}`,
		"/v1/api-keys":          `{"name":"` + marker + `","permissions":["events:read"]}`,
		"/v1/domains":           `{"name":"` + marker + `.example.com"}`,
	} {
		ids += " " + c.Make(path, body)
	}
	r := c.Publish(`{"type":"` + marker + `","data":"` + marker + `","ordering_key":"` + marker + `"}`)
	ids += " " + r.Get(c.T, "id") + " " + c.Org.String()
	for _, list := range []string{"deliveries", "jobs", "api-keys", "audit-log", "members"} {
		ids += " " + c.Do("GET", "/v1/"+list+"?limit=100", "").Body
	}
	return ids
}

// served serves the harness behind a gateway, as Lambda does, and returns its
// address.
func served(t *testing.T, h *apitest.Harness) string {
	t.Helper()
	operations := slices.DeleteFunc(api.All(), func(o edge.Operation) bool { return o.Meta().Tag == "System" })
	handler, err := h.Server.Handler(append(operations, system.Operations(reference.New)...)...) // the harness has no pages
	testkit.Must(t, err)
	front, err := gateway.New([]gateway.Route{{Path: "$default", Invoke: web.Gateway{Handler: handler}.Invoke}}, gateway.Options{})
	testkit.Must(t, err)
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// causeOf returns the cause in the log line of a request.
func causeOf(h *apitest.Harness, request string) string {
	for line := range strings.Lines(h.Lines.String()) {
		if request != "" && strings.Contains(line, request) && strings.Contains(line, `"cause"`) {
			return line
		}
	}
	return "none in the log"
}

// progress shows on a terminal how far the run is; elsewhere it shows nothing.
func progress(requests int) func(int, map[int]int) {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	shown := time.Now()
	return func(done int, statuses map[int]int) {
		if time.Since(shown) > 500*time.Millisecond || done == requests {
			shown = time.Now()
			fmt.Fprintf(os.Stderr, "\r%d of %d requests %v ", done, requests, statuses)
		}
	}
}
