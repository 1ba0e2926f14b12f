package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portico/infra/local/services"
)

// A second stack in the same folder does not start: its error names the address
// of the first, which keeps its data.
func TestSecondUp(t *testing.T) {
	url := running(t)
	for command, want := range map[string]string{
		"up":    "runs already, as process ",
		"clean": "is running: stop it first",
	} {
		var out, errs bytes.Buffer
		cmd := local(t, "-root", app, command)
		cmd.Stdout, cmd.Stderr = &out, &errs
		if code := exitStatus(cmd.Run()); code != 1 || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit code %d: %s", command, code, &errs)
		}
		if command == "up" && (!strings.Contains(errs.String(), "API "+url) || strings.Contains(out.String(), "building")) {
			t.Errorf("%s%s", &out, &errs)
		}
	}
	if resp, err := http.Get(url + "/x"); err != nil || resp.StatusCode != 200 {
		t.Errorf("the first one suffered: %v, %v", resp, err)
	}
}

// Invalid arguments are refused before anything is built or started.
func TestRefusedBeforeBuilding(t *testing.T) {
	for _, tt := range []struct{ name, flag, value, want string }{
		{"a database's name", "-databases", "acme,No!", `DATABASES=acme,No!: "No!" cannot be the name of a database`},
		{"two names without a comma", "-databases", "acme other", `"acme other" cannot be the name of a database`},
		{"the home database", "-databases", "home", `"home" cannot be the name of a database`},
		{"the log's form", "-log", "xml", "LOG=xml: the log can be text or json"},
	} {
		var out, errs bytes.Buffer
		if code := run([]string{"-root", app, "up", tt.flag, tt.value}, &out, &errs, nil); code != 1 || !strings.Contains(errs.String(), tt.want) || out.Len() > 0 {
			t.Errorf("%s: exit code %d: %s%s", tt.name, code, &out, &errs)
		}
	}
	var errs bytes.Buffer
	if code := run([]string{"-root", app, "up", "acme"}, io.Discard, &errs, nil); code != 2 {
		t.Errorf("a word too much: exit code %d: %s", code, &errs)
	}
}

func TestInvokeWithoutStack(t *testing.T) {
	event := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(event, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run([]string{"-root", app, "invoke", "echo", event}, &out, &errs, nil); code != 1 ||
		!strings.Contains(errs.String(), "no stack is running") || !strings.Contains(errs.String(), "make up") || out.Len() > 0 {
		t.Errorf("exit code %d: %s%s", code, &out, &errs)
	}
}

// With LOG=json stdout has only JSON, for programs; messages for people go to
// stderr.
func TestLogInJSON(t *testing.T) {
	cmd := local(t, "-root", app, "up", "-http", "127.0.0.1:0", "-log", "json")
	var out bytes.Buffer
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	people := bufio.NewScanner(stderr)
	url := await(t, people, `^  API +(http://\S+)$`)
	await(t, people, "Ctrl-C stops")
	if resp, err := http.Get(url + "/x"); err != nil || resp.StatusCode != 200 {
		t.Errorf("%v, %v", resp, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	await(t, people, "stopping")
	if status := exitStatus(cmd.Wait()); status != 0 {
		t.Errorf("exit code %d", status)
	}
	if want := `{"function":"portico-echo","message":"a log line"}` + "\n"; out.String() != want {
		t.Errorf("got %s, want %s", &out, want)
	}
}

// clean removes the stack's files, and no others.
func TestClean(t *testing.T) {
	root := t.TempDir()
	state, err := services.StateDir(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(state) })
	for _, name := range []string{filepath.Join(state, "postgres"), filepath.Join(root, ".local", "bin"), filepath.Join(root, "infra", "local", "node_modules")} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "template.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run([]string{"-root", root, "clean"}, &out, &errs, nil); code != 0 || !strings.Contains(out.String(), "removed "+state) {
		t.Errorf("exit code %d: %s%s", code, &out, &errs)
	}
	var left []string
	for _, dir := range []string{root, filepath.Join(root, "infra", "local")} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			left = append(left, e.Name())
		}
	}
	if strings.Join(left, " ") != "infra template.yaml" {
		t.Errorf("left are %v", left)
	}
	if _, err := os.Stat(state); !os.IsNotExist(err) {
		t.Errorf("the data are still there: %v", err)
	}
}
