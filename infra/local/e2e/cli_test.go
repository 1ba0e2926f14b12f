package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	stripe "github.com/stripe/stripe-go/v76/webhook"

	"portico/infra/local/stacktest"
	"portico/shared/testkit"
)

// portico builds the command once.
var portico = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(filepath.Dir(envFile), "portico")
	out, err := exec.Command("go", "build", "-o", binary, "../../portico").CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return binary, nil
})

// command is the command portico with a customer's key.
type command struct {
	t      *testing.T
	binary string
	env    []string
}

func newCommand(t *testing.T, c customer, s stacktest.Stack) command {
	t.Helper()
	binary, err := portico()
	if err != nil {
		t.Fatalf("%v: %s", err, binary)
	}
	return command{t, binary, append(os.Environ(), "PORTICO_URL="+s.URL, "PORTICO_KEY="+c.Key, "XDG_CONFIG_HOME="+t.TempDir())}
}

func (c command) prepare(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(c.t.Context(), c.binary, args...)
	cmd.Env = c.env
	return cmd
}

// try runs the command and returns what it has printed, and its exit code.
func (c command) try(args ...string) (out, errs string, code int) {
	c.t.Helper()
	cmd := c.prepare(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// run expects that the command succeeds, and returns its output.
func (c command) run(args ...string) string {
	c.t.Helper()
	out, errs, code := c.try(args...)
	if code != 0 {
		c.t.Fatalf("portico %s: exit code %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

// read expects JSON and reads it into out.
func (c command) read(out any, args ...string) {
	c.t.Helper()
	text := c.run(append(args, "--json")...)
	if err := json.Unmarshal([]byte(text), out); err != nil {
		c.t.Fatalf("portico %s: %v in %s", strings.Join(args, " "), err, text)
	}
}

// With the command alone a newcomer registers an endpoint, publishes, watches the
// failure, repairs the receiver and recovers.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	c := newCommand(t, newCustomer(t, shared), shared)
	var repaired atomic.Bool
	rec := newReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if !repaired.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	var endpoint struct{ ID string }
	c.read(&endpoint, "endpoints", "create", "--url", rec.URL, "--types", "invoice.*", "--retry-policy", "best_effort")
	var events [3]struct{ ID string }
	for i := range events {
		c.read(&events[i], "events", "publish", "--type", "invoice.paid", "--data", `{"html":"<b>", "total":1.10}`)
	}
	var list struct{ Data []delivery }
	awaits := func(status string, n int) {
		t.Helper()
		testkit.Await(t, fmt.Sprintf("%d deliveries that are %s", n, status), func() bool {
			c.read(&list, "deliveries", "list", "--endpoint", endpoint.ID, "--status", status)
			return len(list.Data) == n
		})
	}
	awaits("failed", 3)
	first := list.Data[0]
	if text := c.run("deliveries", "get", first.ID); !strings.Contains(text, "answered 500") || !strings.Contains(text, first.EventID) {
		t.Error(text)
	}
	repaired.Store(true)
	c.run("deliveries", "redeliver", first.ID)
	awaits("delivered", 1)
	var recovery struct {
		Status string
		Count  int `json:"delivery_count"`
	}
	c.read(&recovery, "endpoints", "recover", endpoint.ID, "--since", "1h", "--wait")
	if recovery.Status != "succeeded" || recovery.Count != 2 {
		t.Errorf("%+v", recovery)
	}
	awaits("delivered", 3)
	for _, event := range events {
		if n := rec.count(event.ID); n != 2 {
			t.Errorf("%s arrived %d times", event.ID, n)
		}
	}
	for _, got := range rec.All() {
		if !bytes.HasSuffix(got.Body, []byte(`"data":{"html":"<b>", "total":1.10}}`)) {
			t.Errorf("body %s", got.Body)
		}
	}
	if text := c.run("endpoints", "get", endpoint.ID); !strings.Contains(text, rec.URL) || strings.Contains(text, "\x1b") {
		t.Error(text)
	}
	if text := c.run("endpoints", "test", endpoint.ID, "--wait"); !strings.Contains(text, "delivered") {
		t.Error(text)
	}
	var statistics struct{ Succeeded, Failed int }
	testkit.Await(t, "the statistics", func() bool {
		c.read(&statistics, "endpoints", "statistics", endpoint.ID)
		return statistics.Succeeded == 4 && statistics.Failed == 3
	})
}

// The commands for endpoints and events do what they say, and the exit code tells what
// went wrong.
func TestCommand(t *testing.T) {
	t.Parallel()
	c := newCommand(t, newCustomer(t, shared), shared)
	var endpoint struct{ ID, Secret, Status, Description string }
	c.read(&endpoint, "endpoints", "create", "--url", "https://example.com/", "--types", "invoice.*,a", "--header", "X-A=1,2=3", "--metadata", "team=billing",
		"--rate-limit", "5", "--ordered", "--timeout-seconds", "3", "--retry-policy", "custom", "--retry-schedule", "10,60", "--filter", "data.total > 1")
	first := endpoint.Secret
	c.read(&endpoint, "endpoints", "rotate-secret", endpoint.ID, "--overlap-seconds", "0")
	if endpoint.Secret == first || !strings.HasPrefix(endpoint.Secret, "whsec_") {
		t.Errorf("the secret %s after %s", endpoint.Secret, first)
	}
	for _, step := range []struct{ args, status, description string }{
		{"disable", "disabled", ""}, {"enable --held drop", "enabled", ""}, {"update --description x", "enabled", "x"},
	} {
		words := strings.Fields(step.args)
		c.read(&endpoint, append([]string{"endpoints", words[0], endpoint.ID}, words[1:]...)...)
		if endpoint.Status != step.status || endpoint.Description != step.description {
			t.Errorf("%s: %+v", step.args, endpoint)
		}
	}
	var published [2]struct{ ID string }
	for i := range published {
		c.read(&published[i], "events", "publish", "--type", "b", "--data", "1", "--ordering-key", "k", "--idempotency-key", "once")
	}
	if published[0] != published[1] {
		t.Errorf("one Idempotency-Key made %v", published)
	}
	for range 2 {
		c.run("events", "publish", "--type", "b", "--data", "2")
		c.read(&published[0], "events", "publish", "--type", "c", "--data", "3", "--external-id", "in_1-paid")
	}
	var list struct {
		Data []struct{ ID string }
		Next *string
	}
	c.read(&list, "events", "list", "--type", "b", "--all", "--limit", "1")
	if len(list.Data) != 3 || list.Next != nil {
		t.Errorf("%+v", list)
	}
	if c.read(&list, "events", "list", "--external-id", "in_1-paid"); len(list.Data) != 1 || list.Data[0] != published[0] {
		t.Errorf("%+v, want %v", list, published[0])
	}
	c.run("endpoints", "delete", endpoint.ID)
	if _, errs, code := c.try("endpoints", "get", endpoint.ID); code != 1 || !strings.Contains(errs, "webhook_endpoint_not_found") || !strings.Contains(errs, "request id") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if _, errs, code := c.try("events", "list", "--key", "ptc_nonsense"); code != 1 || !strings.Contains(errs, "api_key_invalid") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if _, errs, code := c.try("events", "list", "--api", "http://127.0.0.1:1"); code != 3 {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

// An export of the audit log is downloaded and verified with the command alone, and can
// be fetched again. Whoever edits the file is found out.
func TestCommandExportsAuditLog(t *testing.T) {
	t.Parallel()
	c := newCommand(t, newCustomer(t, shared), shared)
	c.run("endpoints", "create", "--url", "https://example.com/", "--types", "*")
	file := filepath.Join(t.TempDir(), "audit.ndjson")
	var export struct {
		ID   string
		Head struct {
			Number int
			Hash   string
		}
		Count int `json:"entry_count"`
	}
	c.read(&export, "audit", "export", "--output", file)
	text, err := os.ReadFile(file)
	if err != nil || bytes.Count(text, []byte("\n")) != export.Count || !bytes.Contains(text, []byte("webhook_endpoint.create")) {
		t.Errorf("%+v, %v: %s", export, err, text)
	}
	head := fmt.Sprintf("%d:%s", export.Head.Number, export.Head.Hash)
	c.run("audit", "verify", file, "--head", head)
	if again := c.run("audit", "export", "--id", export.ID, "--output", "-"); again != string(text) {
		t.Errorf("fetched again it is %s, want %s", again, text)
	}
	testkit.Must(t, os.WriteFile(file, bytes.Replace(text, []byte("webhook_endpoint.create"), []byte("webhook_endpoint.delete"), 1), 0o600))
	if _, errs, code := c.try("audit", "verify", file, "--head", head); code != 1 || !strings.Contains(errs, "was edited") {
		t.Errorf("an edited file: exit code %d, %s", code, errs)
	}
}

var sessionSecret = regexp.MustCompile(`session is (whsec_\S+)`)

// listen forwards what is published to a program on this machine, signed with the
// session's secret; Ctrl-C ends it and deletes its consumer.
func TestCommandListens(t *testing.T) {
	t.Parallel()
	publisher := newCustomer(t, shared)
	c, program := newCommand(t, publisher, shared), newReceiver(t, nil)
	cmd := c.prepare("listen", "--forward", program.URL, "--types", "invoice.*")
	var out, errs testkit.Log
	cmd.Stdout, cmd.Stderr = &out, &errs
	testkit.Must(t, cmd.Start())
	testkit.Await(t, "the start", func() bool { return sessionSecret.MatchString(errs.String()) })
	event := publisher.publish(`{"html":"<b>","lone":"\ud800"}`)
	publisher.Do("POST", "/v1/events", `{"type":"customer.created","data":1}`, http.StatusAccepted, nil)
	testkit.Await(t, "the exchange", func() bool { return strings.Contains(out.String(), event+"  200") })
	testkit.Must(t, cmd.Process.Signal(os.Interrupt))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	all := program.All()
	if len(all) != 1 || !bytes.HasSuffix(all[0].Body, []byte(`"data":{"html":"<b>","lone":"\ud800"}}`)) {
		t.Fatalf("%d requests: %+v", len(all), all)
	}
	secret := sessionSecret.FindStringSubmatch(errs.String())[1]
	if err := stripe.ValidatePayload(all[0].Body, all[0].Header.Get("Webhook-Signature"), secret); err != nil {
		t.Errorf("Stripe's verifier: %v", err)
	}
	var consumers struct{ Data []struct{ Name string } }
	if c.read(&consumers, "consumers", "list"); len(consumers.Data) != 0 {
		t.Errorf("left: %+v", consumers.Data)
	}
}
