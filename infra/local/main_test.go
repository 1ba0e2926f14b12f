package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"portico/infra/local/services"
	"portico/infra/local/stack"
)

const app = "testdata/app"

// TestMain is also the program under test, so that signals reach a real one.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_AS_LOCAL") != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, nil))
	}
	code := m.Run()
	if dir, err := services.StateDir(app); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func local(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a program that hangs is killed, which fails the test
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "RUN_AS_LOCAL=1")
	return cmd
}

// follow starts a program and returns its output line by line.
func follow(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(out)
}

func await(t *testing.T, lines *bufio.Scanner, pattern string) string {
	t.Helper()
	for lines.Scan() {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(lines.Text()); m != nil {
			return m[len(m)-1]
		}
	}
	t.Fatalf("the program ended without %q", pattern)
	return ""
}

// running starts a stack for the time of the test and returns its URL.
func running(t *testing.T) string {
	t.Helper()
	cmd := local(t, "-root", app, "up", "-http", "127.0.0.1:0")
	lines := follow(t, cmd)
	url := await(t, lines, `^  API +(http://\S+)$`)
	await(t, lines, "Ctrl-C stops")
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		for lines.Scan() {
		}
		_ = cmd.Wait()
	})
	return url
}

func exitStatus(err error) int {
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		return failed.ExitCode()
	}
	return 0
}

// up serves, prints its address, and at Ctrl-C ends with everything that it
// started.
func TestUp(t *testing.T) {
	cmd := local(t, "-root", app, "up", "-http", "127.0.0.1:0")
	lines := follow(t, cmd)
	url := await(t, lines, `^  API +(http://\S+)$`)
	await(t, lines, "Ctrl-C stops")
	resp, err := http.Get(url + "/x")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if !strings.Contains(string(body), `"stage":"local"`) {
		t.Errorf("got %s", body)
	}
	await(t, lines, `^echo: a log line$`)
	children, err := exec.Command("pgrep", "-P", fmt.Sprint(cmd.Process.Pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	await(t, lines, "stopping")
	if status := exitStatus(cmd.Wait()); status != 0 {
		t.Errorf("exit code %d", status)
	}
	for pid := range strings.FieldsSeq(string(children)) {
		if exec.Command("kill", "-0", pid).Run() == nil {
			t.Errorf("process %s survived", pid)
		}
	}
}

// The hook runs once the stack is up; its error ends the program.
func TestAfter(t *testing.T) {
	var out, errs bytes.Buffer
	code := run([]string{"-root", app, "up", "-http", "127.0.0.1:0"}, &out, &errs, func(ctx context.Context, s *stack.Stack, _ io.Writer) (func(), error) {
		reply, err := s.Invoke(ctx, "echo", []byte(`{"name":"hook"}`))
		return nil, fmt.Errorf("the hook got %s, %w", reply, errors.Join(err, errors.New("and stops")))
	})
	if code != 1 || !strings.Contains(errs.String(), `"name":"hook"`) || !strings.Contains(errs.String(), "and stops") {
		t.Errorf("exit code %d: %s%s", code, &out, &errs)
	}
	if strings.Contains(out.String(), "\x1b[") {
		t.Error("colour where there is no terminal")
	}
}

func TestInvoke(t *testing.T) {
	running(t)
	event := func(text string) string {
		file := filepath.Join(t.TempDir(), "event.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, tt := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"reply", []string{"echo", event(`{"name":"x"}`)}, 0, `{"name":"x","stage":"local"}` + "\n", "echo: a log line"},
		{"logical id", []string{"EchoFunction", event(`{}`)}, 0, `{"name":null,"stage":"local"}` + "\n", ""},
		{"failure", []string{"echo", event(`{"fail":true}`)}, 1, `{"errorMessage":"no luck","errorType":"errorString"}` + "\n", ""},
		{"no such function", []string{"nobody", event(`{}`)}, 1, "", `there is no function "nobody"; there are echo`},
		{"no such function nor event", []string{"nobody", "nope.json"}, 1, "", "there are echo"},
		{"no function", []string{"", "events/.json"}, 1, "", "there are echo"},
		{"no such event", []string{"echo", "nope.json"}, 1, "", "cannot read the event, name a file with EVENT=: open nope.json"},
		{"not JSON", []string{"echo", event(`{`)}, 1, "", "is not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := local(t, append([]string{"-root", app, "invoke"}, tt.args...)...)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			code := exitStatus(cmd.Run())
			if code != tt.code || out.String() != tt.stdout || !strings.Contains(errs.String(), tt.stderr) {
				t.Errorf("exit code %d\nstdout %s\nstderr %s", code, &out, &errs)
			}
		})
	}
}

// A command gets real stores, its exit code is passed on, and the stores end.
func TestServices(t *testing.T) {
	cmd := local(t, "-root", "../..", "services", "--", "sh", "-c",
		`echo "$PORTICO_TEST_DATABASE_URL $PORTICO_TEST_DYNAMODB_URL $AWS_REGION"; curl -s -o /dev/null -w '%{http_code}\n' "$PORTICO_TEST_DYNAMODB_URL"; exit 7`)
	out, err := cmd.Output()
	if status := exitStatus(err); status != 7 {
		t.Errorf("exit code %d: %v", status, err)
	}
	m := regexp.MustCompile(`^postgres://postgres@127.0.0.1:(\d+)/postgres\?sslmode=disable http://127.0.0.1:(\d+) us-east-1\n\d+\n$`).FindStringSubmatch(string(out))
	if m == nil {
		t.Fatalf("got %s", out)
	}
	if resp, err := http.Get("http://127.0.0.1:" + m[2]); err == nil {
		t.Errorf("DynamoDB still answers: %s", resp.Status)
	}
}

// Ctrl-C reaches the command, which may still clean up; a second one ends it.
func TestServicesInterrupted(t *testing.T) {
	for _, tt := range []struct {
		script string
		times  int
		status int
	}{
		{`trap 'echo cleaned up; exit 3' INT; echo ready; while :; do sleep 0.05; done`, 1, 3},
		{`trap 'echo ignored' INT; echo ready; while :; do sleep 0.05; done`, 2, 128 + int(syscall.SIGKILL)},
	} {
		cmd := local(t, "-root", "../..", "services", "--", "sh", "-c", tt.script)
		lines := follow(t, cmd)
		for _, pattern := range []string{"ready", "cleaned up|ignored"}[:tt.times] {
			await(t, lines, pattern)
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
		if status := exitStatus(cmd.Wait()); status != tt.status {
			t.Errorf("%s: exit code %d, want %d", tt.script, status, tt.status)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"nope"}, {"invoke", "x"}, {"services", "ls"}, {"-x"}} {
		var errs bytes.Buffer
		if code := run(args, io.Discard, &errs, nil); code != 2 || !strings.Contains(errs.String(), "usage:") {
			t.Errorf("%q: exit code %d, %s", args, code, &errs)
		}
	}
}
