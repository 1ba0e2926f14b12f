package stack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/infra/local/aws"
	"portico/infra/local/lambda"
	"portico/infra/local/stack"
	"portico/infra/local/stacktest"
	"portico/shared/testkit"
)

const app = "testdata/app"

var (
	shared *stack.Stack // of the tests that leave it as it was
	logs   *testkit.Log
)

func options() stack.Options {
	return stack.Options{
		Root: app, NodePackage: "..", HTTPAddr: "127.0.0.1:0", Throwaway: true,
		Env: map[string]map[string]string{"ApiFunction": {"PLAIN": "overridden"}},
	}
}

func TestMain(m *testing.M) {
	os.Exit(stacktest.Main(m, options(), func(s stacktest.Stack) { shared, logs = s.Stack, s.Log }))
}

func call(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// get asks the api function.
func get(t *testing.T, s *stack.Stack, path, arg string) string {
	t.Helper()
	status, body := call(t, "GET", s.URL+path+"?arg="+url.QueryEscape(arg))
	if status != 200 {
		t.Fatalf("%s: %d %s\n%s", path, status, body, logs.String())
	}
	return body
}

func TestFunctionsReachEverything(t *testing.T) {
	if got := get(t, shared, "/user", ""); got != "portico_app" {
		t.Errorf("Postgres knows the function as %q", got)
	}
	if got := get(t, shared, "/secret", ""); len(got) != 20 {
		t.Errorf("secret %q", got)
	}
	get(t, shared, "/send", "hello")
	testkit.Await(t, "the worker noted the message", func() bool { return get(t, shared, "/item", "hello") == "hello" })
	if !strings.Contains(logs.String(), "[portico-api] served /item\n") {
		t.Errorf("log: %s", logs.String())
	}
}

// The stack counts the calls of DynamoDB, by their names.
func TestDynamoDBCalls(t *testing.T) {
	calls := func() (c map[string]int64) {
		status, body := call(t, "GET", shared.URL+"/_local/dynamodb")
		if err := json.Unmarshal([]byte(body), &c); err != nil || status != 200 {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		return c
	}
	before := calls()["GetItem"]
	for range 3 {
		get(t, shared, "/item", "nobody")
	}
	if n := calls()["GetItem"] - before; n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

// Variables that must differ locally do, overrides apply, and the others have
// the template's values.
func TestEnvironment(t *testing.T) {
	for name, want := range map[string]string{
		"STAGE": "local", "EGRESS_ALLOW": "127.0.0.0/8,::1/128", "SOURCE_IPS": "127.0.0.1", "PLAIN": "overridden", "TABLE": "items",
		"QUEUE_URL": shared.AWSURL + "/000000000000/work", "AWS_ENDPOINT_URL": shared.AWSURL,
	} {
		var got map[string]string
		if err := json.Unmarshal([]byte(get(t, shared, "/env", name)), &got); err != nil || got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestDeadLetters(t *testing.T) {
	before := shared.Queue("Dead").Depth().Visible
	get(t, shared, "/send", "poison")
	get(t, shared, "/send", "fine")
	testkit.Await(t, "the poison is a dead letter", func() bool { return shared.Queue("Dead").Depth().Visible == before+1 })
	testkit.Await(t, "the rest was done", func() bool { return get(t, shared, "/item", "fine") == "fine" })
}

func TestSchedules(t *testing.T) {
	before, err := shared.Stats("tick")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"TickFunctionEvery", "TickFunction", "tick"} {
		if err := shared.FireSchedule(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if status, body := call(t, "POST", shared.URL+"/_local/schedules/TickFunctionEvery"); status != 204 {
		t.Errorf("got %d %s", status, body)
	}
	testkit.Await(t, "its input arrived", func() bool { return get(t, shared, "/item", "tick") == "tick" })
	if stats, err := shared.Stats("tick"); err != nil || stats.Invocations != before.Invocations+4 {
		t.Errorf("got %+v, %v", stats, err)
	}
	if status, _ := call(t, "POST", shared.URL+"/_local/schedules/Nope"); status != 404 {
		t.Errorf("got %d", status)
	}
}

func TestInvoke(t *testing.T) {
	for _, name := range []string{"ApiFunction", "portico-api", "api"} {
		out, err := shared.Invoke(t.Context(), name, []byte(`{"rawPath":"/"}`))
		if err != nil || !strings.Contains(string(out), `"body":"default"`) {
			t.Errorf("%s: got %s, %v", name, out, err)
		}
	}
	if _, err := shared.Invoke(t.Context(), "nobody", nil); !errors.Is(err, aws.ErrNoFunction) {
		t.Errorf("got %v", err)
	}
	resp, err := http.Post(shared.AWSURL+"/2015-03-31/functions/portico-api/invocations", "application/json", strings.NewReader(`{"rawPath":"/"}`))
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestPages(t *testing.T) {
	get(t, shared, "/mail", "Hello <you>")
	id := shared.Mailbox().List()[0].ID
	for path, wants := range map[string][]string{
		"/_local/":              {"portico-worker", "work", "dead", `action="/_local/schedules/TickFunctionEvery"`, "/_local/mailbox", "width=device-width"},
		"/_local/mailbox":       {"Hello &lt;you&gt;", "you@portico.test", "/_local/mailbox/" + id},
		"/_local/mailbox/" + id: {"Hello &lt;you&gt;", "iframe sandbox", "us@portico.test", `name="event" value="Bounce"`, "Delivery</span>"},

		"/_local/mailbox/" + id + "?width=phone":          {`class="phone"`, "desktop</a>"},
		"/_local/mailbox/" + id + "?form=text":            {"<pre>&lt;plain&gt;</pre>"},
		"/_local/mailbox/" + id + "?form=headers":         {"us@portico.test", "<td>Subject"},
		"/_local/mailbox?contains=YOU":                    {"/_local/mailbox/" + id},
		"/_local/mailbox?state=Delivery":                  {"/_local/mailbox/" + id},
		"/_local/mailbox?state=Reject":                    {"No mail is like this"},
		"/_local/mailbox/account":                         {`name="quota"`, `value="-1"`, "bounce@"},
		"/_local/mailbox?contains=nobody":                 {"No mail is like this"},
		"/_local/saml/metadata":                           {"EntityDescriptor", shared.URL + "/_local/saml/sso"},
		"/_local/openid/.well-known/openid-configuration": {`"issuer":"` + shared.URL + `/_local/openid"`, shared.URL + "/_local/openid/auth"},
		"/_local/mail":                                    {"member_added", "cannot be rendered"}, // this test's repository has no templates
	} {
		status, body := call(t, "GET", shared.URL+path)
		for _, want := range wants {
			if status != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: %d, no %q in %s", path, status, want, body)
			}
		}
		if strings.Contains(body, "src=\"http") || strings.Contains(body, "href=\"http") {
			t.Errorf("%s loads something from elsewhere", path)
		}
	}
	if status, _ := call(t, "GET", shared.URL+"/_local/mailbox/nope"); status != 404 {
		t.Errorf("got %d", status)
	}
	var functions []struct {
		Name string
		PIDs []int
		lambda.Stats
	}
	_, body := call(t, "GET", shared.URL+"/_local/functions")
	if err := json.Unmarshal([]byte(body), &functions); err != nil || len(functions) != 4 || functions[0].Name != "portico-api" || len(functions[0].PIDs) == 0 || functions[0].Invocations == 0 {
		t.Errorf("got %s, %v", body, err)
	}
}

func TestKill(t *testing.T) {
	get(t, shared, "/", "")
	before := shared.Processes("api")
	if err := shared.Kill("api"); err != nil {
		t.Fatal(err)
	}
	if got := shared.Processes("api"); len(before) == 0 || len(got) != 0 {
		t.Errorf("before %v, after %v", before, got)
	}
	get(t, shared, "/", "")
}

func TestClock(t *testing.T) {
	offset := func() string {
		conn, err := pgx.Connect(t.Context(), shared.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		var text string
		if err := conn.QueryRow(t.Context(), "SELECT clock_offset::text FROM clock").Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text + " " + get(t, shared, "/env", "PORTICO_CLOCK_OFFSET")
	}
	get(t, shared, "/", "") // a process with the old clock is there
	if status, body := call(t, "POST", shared.URL+"/_local/clock?offset=90s"); status != 200 {
		t.Errorf("got %d %s", status, body)
	}
	if got := offset(); got != `00:01:30 {"PORTICO_CLOCK_OFFSET":"1m30s"}` {
		t.Errorf("got %s", got)
	}
	if err := shared.SetClockOffset(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := offset(); got != `00:00:00 {"PORTICO_CLOCK_OFFSET":"0s"}` {
		t.Errorf("got %s", got)
	}
	if status, _ := call(t, "POST", shared.URL+"/_local/clock?offset=soon"); status != 400 {
		t.Errorf("got %d", status)
	}
}

func TestRestartPostgres(t *testing.T) {
	if err := shared.RestartPostgres(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := get(t, shared, "/user", ""); got != "portico_app" {
		t.Errorf("got %q", got)
	}
}

// If a migration fails, the start fails with its reason and leaves nothing
// running.
func TestFailedMigration(t *testing.T) {
	opts := options()
	opts.Parameters = map[string]string{"Broken": "no such column"}
	_, err := stack.Start(t.Context(), opts)
	if err == nil || !strings.Contains(err.Error(), "migration 7: no such column") {
		t.Errorf("got %v", err)
	}
}

// Data, secrets and the clock survive a restart; InvokeOnce uses the running
// stack; if a port is taken, the next one is used.
func TestKeptState(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir, err := os.MkdirTemp("/var/tmp", "portico-stack-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var progress testkit.Log
	opts := options()
	opts.Log = logs
	opts.Throwaway, opts.StateDir, opts.HTTPAddr = false, dir, taken.Addr().String()
	opts.Progress = func(format string, args ...any) { fmt.Fprintf(&progress, format+"\n", args...) }
	event := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(event, []byte(`{"rawPath":"/item","queryStringParameters":{"arg":"kept"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets := map[string]bool{}
	for run := range 2 {
		s, err := stack.Start(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		if run == 0 {
			get(t, s, "/send", "kept")
			if err := s.SetClockOffset(t.Context(), time.Hour); err != nil {
				t.Fatal(err)
			}
		} else if got := get(t, s, "/env", "PORTICO_CLOCK_OFFSET"); !strings.Contains(got, "1h0m0s") {
			t.Errorf("got %s", got)
		}
		secrets[get(t, s, "/secret", "")] = true
		testkit.Await(t, "the item is there", func() bool { return get(t, s, "/item", "kept") == "kept" })
		out, err := stack.InvokeOnce(t.Context(), opts, "api", event)
		if err != nil || !strings.Contains(string(out), `"body":"kept"`) {
			t.Errorf("got %s, %v", out, err)
		}
		if _, err := stack.Start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "runs already, as process "+fmt.Sprint(os.Getpid())+": API "+s.URL) {
			t.Errorf("a second start: %v", err)
		}
		if info, err := os.Stat(filepath.Join(dir, "run.json")); err != nil || info.Mode() != 0o600 {
			t.Errorf("run.json: %v, %v", info.Mode(), err)
		}
		pids := s.Processes("api")
		s.Close()
		for _, pid := range pids {
			if syscall.Kill(pid, 0) == nil {
				t.Errorf("process %d survived", pid)
			}
		}
	}
	if len(secrets) != 1 {
		t.Errorf("the secret changed: %v", secrets)
	}
	if !strings.Contains(progress.String(), "is taken: using") {
		t.Errorf("progress: %s", progress.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "run.json")); !os.IsNotExist(err) {
		t.Errorf("run.json was left behind: %v", err)
	}
	if _, err := stack.InvokeOnce(t.Context(), opts, "api", event); err == nil || !strings.Contains(err.Error(), "no stack is running") {
		t.Errorf("without a stack: %v", err)
	}
}
