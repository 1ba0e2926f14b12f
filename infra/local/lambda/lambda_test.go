package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"portico/infra/local/lambda"
	"portico/infra/local/stacktest"
	"portico/shared/testkit"
)

var binary string

func TestMain(m *testing.M) {
	os.Exit(stacktest.MainWithFunction(m, func(built string) { binary = built }))
}

// start returns a host with one function and what it logs.
func start(t testing.TB, opts lambda.Options, cfg lambda.Config) (*lambda.Host, *lambda.Function, *testkit.Log) {
	t.Helper()
	logs := &testkit.Log{}
	opts.Log = logs
	host := lambda.NewHost(opts)
	t.Cleanup(host.Close)
	cfg.Name, cfg.Binary = "fn", binary
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	f, err := host.Add(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return host, f, logs
}

func do(t testing.TB, f *lambda.Function, order map[string]any) ([]byte, error) {
	t.Helper()
	payload, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	return f.Invoke(context.Background(), payload)
}

func mustDo(t testing.TB, f *lambda.Function, order map[string]any) string {
	t.Helper()
	out, err := do(t, f, order)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func functionError(t *testing.T, err error) *lambda.FunctionError {
	t.Helper()
	var fe *lambda.FunctionError
	if !errors.As(err, &fe) {
		t.Fatalf("got %v, want a *FunctionError", err)
	}
	return fe
}

// gate is a server that functions call: it lets them wait until it is opened.
type gate struct {
	*httptest.Server
	arrived chan struct{}
	open    chan struct{}
}

func newGate(t *testing.T) *gate {
	g := &gate{arrived: make(chan struct{}, 100), open: make(chan struct{})}
	g.Server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		g.arrived <- struct{}{}
		<-g.open
	}))
	t.Cleanup(g.Close)
	return g
}

func TestPayloadArrivesUnchanged(t *testing.T) {
	_, f, _ := start(t, lambda.Options{}, lambda.Config{})
	big := strings.Repeat("ä", 1<<20)
	for _, payload := range []string{`{"a":12345678901234567890}`, `{"a":"` + big + `"}`} {
		out, err := f.Invoke(context.Background(), []byte(payload))
		if err != nil || string(out) != payload {
			t.Errorf("got %.80s, %v", out, err)
		}
	}
}

// A process handles one invocation at a time: more at once need more
// processes, up to the bound, and the last used one is used again.
func TestOneInvocationPerProcess(t *testing.T) {
	_, f, _ := start(t, lambda.Options{QueueWait: 10 * time.Second}, lambda.Config{MaxConcurrency: 3})
	g := newGate(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { mustDo(t, f, map[string]any{"do": "fetch", "arg": g.URL}) })
	}
	for range 3 {
		<-g.arrived
	}
	testkit.Await(t, "two wait for a process", func() bool { return f.Stats().Waiting == 2 })
	if s := f.Stats(); s.Processes != 3 || s.Busy != 3 || len(g.arrived) != 0 {
		t.Errorf("got %+v and %d more requests, want 3 busy processes and the rest waiting", s, len(g.arrived))
	}
	close(g.open)
	wg.Wait()
	if s := f.Stats(); s.Invocations != 5 || s.ColdStarts != 3 {
		t.Errorf("got %+v, want 5 invocations in 3 processes", s)
	}
	allIdle := func() bool { return f.Stats().Busy == 0 }
	testkit.Await(t, "all are idle", allIdle)
	first := mustDo(t, f, map[string]any{"do": "pid"})
	for range 5 {
		testkit.Await(t, "all are idle", allIdle)
		if pid := mustDo(t, f, map[string]any{"do": "pid"}); pid != first {
			t.Errorf("process %s was used instead of the last one, %s", pid, first)
		}
	}
}

func TestThrottle(t *testing.T) {
	_, f, _ := start(t, lambda.Options{QueueWait: 20 * time.Millisecond}, lambda.Config{MaxConcurrency: 1})
	g := newGate(t)
	var wg sync.WaitGroup
	wg.Go(func() { mustDo(t, f, map[string]any{"do": "fetch", "arg": g.URL}) })
	<-g.arrived
	if _, err := do(t, f, map[string]any{"do": "pid"}); !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("got %v, want ErrThrottled", err)
	}
	close(g.open)
	wg.Wait()
	mustDo(t, f, map[string]any{"do": "pid"})
	if s := f.Stats(); s.Throttles != 1 {
		t.Errorf("got %+v", s)
	}
}

// A cold start that takes longer than the wait for a free process is waited for.
func TestColdStartIsNoThrottle(t *testing.T) {
	_, f, _ := start(t, lambda.Options{QueueWait: time.Microsecond}, lambda.Config{MaxConcurrency: 1})
	mustDo(t, f, map[string]any{"do": "pid"})
}

func TestTimeoutKills(t *testing.T) {
	_, f, logs := start(t, lambda.Options{}, lambda.Config{Timeout: 100 * time.Millisecond})
	_, err := do(t, f, map[string]any{"do": "hang"})
	fe := functionError(t, err)
	if fe.Type != "Sandbox.Timedout" || !strings.HasSuffix(fe.Message, "Task timed out after 0.10 seconds") || !json.Valid(fe.Payload) {
		t.Errorf("got %+v %s", fe, fe.Payload)
	}
	testkit.Await(t, "the process is gone", func() bool { return len(f.PIDs()) == 0 })
	if !strings.Contains(logs.String(), "[fn] RequestId: ") {
		t.Errorf("the timeout is not in the log: %s", logs)
	}
	mustDo(t, f, map[string]any{"do": "pid"})
}

func TestFunctionFailures(t *testing.T) {
	_, f, _ := start(t, lambda.Options{}, lambda.Config{})
	for _, tt := range []struct{ do, wantType, wantMessage string }{
		{"fail", "errorString", "no luck"},
		{"panic", "string", "no luck"},
		{"exit", "Runtime.ExitError", "Runtime exited with error: exit status 7"},
	} {
		_, err := do(t, f, map[string]any{"do": tt.do, "arg": "no luck"})
		fe := functionError(t, err)
		if fe.Type != tt.wantType || !strings.HasSuffix(fe.Message, tt.wantMessage) || !json.Valid(fe.Payload) {
			t.Errorf("%s: got %+v %s", tt.do, fe, fe.Payload)
		}
	}
	mustDo(t, f, map[string]any{"do": "pid"})
}

func TestInitFailures(t *testing.T) {
	for _, tt := range []struct{ init, want string }{
		{"crash", "exit status 3 before it asked for work"},
		{"hang", "did not ask for work within 100ms"},
	} {
		_, f, logs := start(t, lambda.Options{InitTimeout: 100 * time.Millisecond}, lambda.Config{Env: map[string]string{"INIT": tt.init}})
		_, err := do(t, f, map[string]any{"do": "pid"})
		if fe := functionError(t, err); !strings.Contains(fe.Message, tt.want) {
			t.Errorf("%s: got %+v", tt.init, fe)
		}
		if tt.init == "crash" && !strings.Contains(logs.String(), "[fn] cannot start\n") {
			t.Errorf("got log %q", logs)
		}
	}
}

func TestMissingBinary(t *testing.T) {
	host := lambda.NewHost(lambda.Options{})
	defer host.Close()
	f, _ := host.Add(lambda.Config{Name: "gone", Binary: "/nonexistent/bootstrap"})
	_, err := f.Invoke(context.Background(), []byte(`{}`))
	if fe := functionError(t, err); !strings.Contains(fe.Message, "/nonexistent") {
		t.Errorf("got %v", err)
	}
}

// When a process is killed its invocation fails, and the next call gets a new
// process.
func TestKill(t *testing.T) {
	_, f, _ := start(t, lambda.Options{}, lambda.Config{})
	g := newGate(t)
	defer close(g.open)
	failed := make(chan error)
	go func() {
		_, err := do(t, f, map[string]any{"do": "fetch", "arg": g.URL})
		failed <- err
	}()
	<-g.arrived
	f.Kill()
	if fe := functionError(t, <-failed); !strings.Contains(fe.Message, "signal: killed") {
		t.Errorf("got %+v", fe)
	}
	mustDo(t, f, map[string]any{"do": "pid"})
}

func TestMemoryLimit(t *testing.T) {
	_, f, _ := start(t, lambda.Options{}, lambda.Config{MemoryMB: 64})
	_, err := do(t, f, map[string]any{"do": "grow", "size": 80 << 20})
	if fe := functionError(t, err); fe.Type != "Runtime.ExitError" || !strings.Contains(fe.Message, "of its 64 MB of memory") {
		t.Errorf("got %+v", fe)
	}
}

func TestPayloadLimits(t *testing.T) {
	_, f, _ := start(t, lambda.Options{}, lambda.Config{})
	if _, err := f.Invoke(context.Background(), make([]byte, lambda.MaxRequest+1)); !errors.Is(err, lambda.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if out := mustDo(t, f, map[string]any{"do": "big", "size": 6 << 20}); len(out) != 6<<20+2 {
		t.Errorf("got %d bytes", len(out))
	}
	_, err := do(t, f, map[string]any{"do": "big", "size": 6<<20 + 200})
	if fe := functionError(t, err); fe.Type != "Function.ResponseSizeTooLarge" {
		t.Errorf("got %+v", fe)
	}
}

// The caller may leave; the function finishes and is used again.
func TestCallerLeaves(t *testing.T) {
	_, f, _ := start(t, lambda.Options{}, lambda.Config{MaxConcurrency: 1})
	pid := mustDo(t, f, map[string]any{"do": "pid"})
	g := newGate(t)
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error)
	go func() {
		_, err := f.Invoke(ctx, []byte(`{"do":"fetch","arg":"`+g.URL+`"}`))
		left <- err
	}()
	<-g.arrived
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(g.open)
	if again := mustDo(t, f, map[string]any{"do": "pid"}); again != pid {
		t.Errorf("process %s replaced %s", again, pid)
	}
}

func TestContext(t *testing.T) {
	_, f, _ := start(t, lambda.Options{}, lambda.Config{Timeout: 5 * time.Second})
	var got struct {
		ID, ARN, Trace string
		Left           float64
	}
	if err := json.Unmarshal([]byte(mustDo(t, f, map[string]any{"do": "context"})), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.ID) != 36 || got.ARN != "arn:aws:lambda:us-east-1:000000000000:function:fn" || got.Left < 3 || got.Left > 5 || !strings.HasPrefix(got.Trace, "Root=1-") {
		t.Errorf("got %+v", got)
	}
}

// A process has the environment that it would have on Lambda, and no variable of
// the host.
func TestEnvironment(t *testing.T) {
	t.Setenv("OF_THE_HOST", "1")
	_, f, _ := start(t, lambda.Options{Env: map[string]string{"COMMON": "1", "BOTH": "common"}},
		lambda.Config{MemoryMB: 512, Env: map[string]string{"BOTH": "own"}})
	var env []string
	if err := json.Unmarshal([]byte(mustDo(t, f, map[string]any{"do": "environ"})), &env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"COMMON=1", "BOTH=own", "AWS_LAMBDA_FUNCTION_NAME=fn", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "AWS_REGION=us-east-1",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "LAMBDA_TASK_ROOT=" + filepath.Dir(binary), "_HANDLER=bootstrap", "GOMAXPROCS=1",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
	if slices.Contains(env, "OF_THE_HOST=1") {
		t.Error("the host's environment leaks into the function")
	}
}

func TestLogLines(t *testing.T) {
	host, f, logs := start(t, lambda.Options{}, lambda.Config{})
	mustDo(t, f, map[string]any{"do": "print", "arg": "one\ntwo\n"})
	mustDo(t, f, map[string]any{"do": "print", "arg": "unfinished"})
	host.Close()
	want := "[fn] one\n[fn] two\n[fn] to stderr\n[fn] unfinishedto stderr\n"
	if logs.String() != want {
		t.Errorf("got %q, want %q", logs, want)
	}
}

func TestRecycleChangesEnvironment(t *testing.T) {
	host, f, _ := start(t, lambda.Options{}, lambda.Config{Env: map[string]string{"PORTICO_CLOCK_OFFSET": "0s"}})
	g := newGate(t)
	finished := make(chan string)
	go func() { finished <- mustDo(t, f, map[string]any{"do": "fetch", "arg": g.URL}) }()
	<-g.arrived
	recycled := make(chan struct{})
	go func() {
		host.Recycle(map[string]string{"PORTICO_CLOCK_OFFSET": "1h"}, 10*time.Second)
		close(recycled)
	}()
	testkit.Await(t, "new processes have the new value", func() bool {
		return mustDo(t, f, map[string]any{"do": "env", "arg": "PORTICO_CLOCK_OFFSET"}) == `"1h"`
	})
	close(g.open)
	<-finished // what ran went on to its end
	<-recycled
}

// Close also ends processes that ignore SIGTERM, and waiting invocations fail.
func TestClose(t *testing.T) {
	host, f, _ := start(t, lambda.Options{StopGrace: 50 * time.Millisecond}, lambda.Config{Env: map[string]string{"INIT": "deaf"}})
	mustDo(t, f, map[string]any{"do": "pid"})
	pid := f.PIDs()[0]
	host.Close()
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("a process survived Close")
	}
	if _, err := do(t, f, map[string]any{"do": "pid"}); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkInvoke(b *testing.B) {
	_, f, _ := start(b, lambda.Options{}, lambda.Config{MaxConcurrency: 8, MemoryMB: 512})
	payload := []byte(`{"do":"nothing"}`)
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.Invoke(context.Background(), payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "invocations/s")
}

// Without its secret path a process's Runtime API gives no invocation.
func TestRuntimeAPIIsTheProcesses(t *testing.T) {
	_, f, _ := start(t, lambda.Options{}, lambda.Config{MaxConcurrency: 1})
	var api string
	if err := json.Unmarshal([]byte(mustDo(t, f, map[string]any{"do": "env", "arg": "AWS_LAMBDA_RUNTIME_API"})), &api); err != nil {
		t.Fatal(err)
	}
	address, _, _ := strings.Cut(api, "/")
	for _, path := range []string{"/", "/guessed/"} {
		resp, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://" + address + path + "2018-06-01/runtime/invocation/next")
		if err != nil || resp.StatusCode != 404 {
			t.Errorf("%s: %v, %v", path, resp, err)
		}
	}
	mustDo(t, f, map[string]any{"do": "pid"})
}
