package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portico/infra/local/lambda"
	"portico/infra/local/template"
)

// runFile tells other programs where the running stack is.
func runFile(stateDir string) string { return filepath.Join(stateDir, "run.json") }

// StateDir returns the folder that keeps the data between runs, "" when nothing does.
func (s *Stack) StateDir() string { return s.stateDir }

func (s *Stack) writeRunFile() error {
	if s.stateDir == "" {
		return nil
	}
	e := s.endpoints()
	e.PID = os.Getpid()
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(runFile(s.stateDir), append(data, '\n'), 0o600)
}

func (s *Stack) removeRunFile() {
	if s.stateDir == "" {
		return
	}
	if running, ok := readRunFile(s.stateDir); ok && running.PID == os.Getpid() {
		_ = os.Remove(runFile(s.stateDir)) // a stale one is recognized
	}
}

func readRunFile(stateDir string) (endpoints, bool) {
	var e endpoints
	data, err := os.ReadFile(runFile(stateDir))
	return e, err == nil && json.Unmarshal(data, &e) == nil
}

// findRunning returns the stack of this repository that runs now.
func findRunning(stateDir string) (endpoints, bool) {
	e, ok := readRunFile(stateDir)
	if !ok {
		return endpoints{}, false
	}
	u, err := url.Parse(e.AWS)
	if err != nil {
		return endpoints{}, false
	}
	conn, err := net.DialTimeout("tcp", u.Host, time.Second)
	if err != nil {
		return endpoints{}, false
	}
	return e, conn.Close() == nil
}

// InvokeOnce starts a function for one event, as `sam local invoke` does, with
// the stores of the running stack when there is one, and returns its reply.
// joined reports whether there was.
func InvokeOnce(ctx context.Context, opts Options, name string, event []byte) (reply []byte, joined bool, err error) {
	root, err := filepath.Abs(opts.Root)
	if err != nil {
		return nil, false, err
	}
	where, joined := findRunning(opts.StateDir)
	t, err := loadTemplate(root, where.AWS, opts.Parameters)
	if err != nil {
		return nil, joined, err
	}
	f, ok := function(t, name)
	if !ok {
		return nil, joined, fmt.Errorf("there is no function %s; there are %s", name, strings.Join(shortNames(t), ", "))
	}
	if err := build(ctx, root, []template.Function{f}); err != nil {
		return nil, joined, err
	}
	env, err := where.functionEnvironment(f, opts.Env)
	if err != nil {
		return nil, joined, err
	}
	host := lambda.NewHost(lambda.Options{Log: opts.Log, Region: Region, AccountID: AccountID, Env: where.environment()})
	defer host.Close()
	function, err := host.Add(lambda.Config{
		Name: f.Name, Binary: binary(root, f), Handler: f.Handler, Timeout: f.Timeout, MemoryMB: f.MemoryMB, MaxConcurrency: 1, Env: env,
	})
	if err != nil {
		return nil, joined, err
	}
	reply, err = function.Invoke(ctx, event)
	return reply, joined, err
}

func shortNames(t *template.Template) []string {
	var names []string
	for _, f := range t.Functions {
		names = append(names, strings.TrimPrefix(f.Name, t.StackName+"-"))
	}
	return names
}
