// Package doctest tries the documentation: its pages in a browser, its shell
// blocks and its samples against a running stack.
package doctest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"portico/infra/local/stack"
)

const root = "../.."

// running is the stack that every test uses.
var running *stack.Stack

func TestMain(m *testing.M) {
	code := 1
	defer func() { os.Exit(code) }()
	install := exec.Command("./install")
	install.Stdout, install.Stderr = os.Stdout, os.Stderr
	if err := install.Run(); err != nil {
		return // it has said why
	}
	var log bytes.Buffer
	s, err := stack.Start(context.Background(), stack.Options{Root: root, Throwaway: true, HTTPAddr: "127.0.0.1:0", Log: &log, Databases: []string{"acme"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer s.Close()
	running = s
	if code = m.Run(); code != 0 {
		fmt.Fprintf(os.Stderr, "the stack's log:\n%s", log.Bytes()[max(0, log.Len()-10_000):])
	}
}

// newKey makes an organization and returns its first key.
func newKey(t *testing.T) string {
	t.Helper()
	reply, err := running.Invoke(context.Background(), "bootstrap", []byte(`{"command":"create_organization","name":"`+t.Name()+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal(reply, &made); err != nil || made.APIKey == "" {
		t.Fatalf("bootstrap answered %s", reply)
	}
	return made.APIKey
}

// call calls the API and decodes the reply into out.
func call(t *testing.T, key, method, path, body string, out any) {
	t.Helper()
	req, err := http.NewRequest(method, running.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode > 299 {
		t.Fatalf("%s %s: %d %s %v", method, path, res.StatusCode, reply, err)
	}
	if err := json.Unmarshal(reply, out); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, reply)
	}
}
