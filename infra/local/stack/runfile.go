package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portico/infra/local/lambda"
	"portico/infra/local/services"
	"portico/infra/local/template"
)

// runFile has the addresses of the running stack, for other programs.
func runFile(stateDir string) string { return filepath.Join(stateDir, "run.json") }

// StateDir returns the folder that keeps the data between runs, or "" if they
// are not kept.
func (s *Stack) StateDir() string { return s.stateDir }

// takeState makes this program the only one that uses the state's folder.
func (s *Stack) takeState() (err error) {
	s.stateDir = s.opts.StateDir
	if s.stateDir == "" && !s.opts.Throwaway {
		if s.stateDir, err = services.StateDir(s.root); err != nil {
			return err
		}
	}
	if s.stateDir == "" {
		return nil
	}
	if err := os.MkdirAll(s.stateDir, 0o755); err != nil {
		return err
	}
	if s.lock, err = services.Lock(s.stateDir); !errors.Is(err, services.ErrLocked) {
		return err
	}
	if running, ok := findRunning(s.stateDir); ok {
		return fmt.Errorf("the stack of this folder runs already, as process %d: API %s, pages %s; use that one, or stop it with Ctrl-C where it was started",
			running.PID, running.URL, running.URL+controlPath)
	}
	return fmt.Errorf("the stack of this folder is being started or stopped by another program: try again when that is done (%w)", err)
}

func (s *Stack) writeRunFile() error {
	if s.stateDir == "" {
		return nil
	}
	e := s.endpoints()
	e.PID = os.Getpid()
	return s.writePrivate(runFile(s.stateDir), e)
}

// writeEnvFile writes the environment of each function in the form that `sam
// local invoke --env-vars` reads. SAM passes on only the variables that are in
// the template.
func (s *Stack) writeEnvFile() error {
	if s.opts.EnvFile == "" {
		return nil
	}
	all := map[string]map[string]string{}
	for _, f := range s.Template.Functions {
		env, err := s.endpoints().functionEnvironment(f, s.opts.Env)
		if err != nil {
			return err
		}
		all[f.LogicalID] = env
	}
	return s.writePrivate(s.opts.EnvFile, all)
}

// writePrivate writes a file that only its owner may read, because it holds
// this run's secret, and that Close removes. An old one is replaced, whatever
// its mode.
func (s *Stack) writePrivate(file string, content any) error {
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	temporary := file + ".new"
	if err := os.Remove(temporary); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.WriteFile(temporary, append(data, '\n'), 0o600); err != nil {
		return err
	}
	s.files = append(s.files, file)
	return os.Rename(temporary, file)
}

// removeFiles removes the files with the addresses of this run.
func (s *Stack) removeFiles() {
	for _, file := range s.files {
		_ = os.Remove(file) // if one is left, it does no harm
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

// InvokeOnce starts a function for the event in a file, as `sam local invoke`
// does, with the stores of the running stack, and returns its reply.
func InvokeOnce(ctx context.Context, opts Options, name, eventFile string) ([]byte, error) {
	root, err := filepath.Abs(opts.Root)
	if err != nil {
		return nil, err
	}
	where, running := findRunning(opts.StateDir)
	t, err := loadTemplate(root, where.AWS, opts.Parameters)
	if err != nil {
		return nil, err
	}
	f, ok := function(t, name)
	if !ok {
		return nil, fmt.Errorf("there is no function %q; there are %s", name, strings.Join(shortNames(t), ", "))
	}
	event, err := os.ReadFile(eventFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the event, name a file with EVENT=: %w", err)
	}
	if !json.Valid(event) {
		return nil, fmt.Errorf("%s is not JSON", eventFile)
	}
	if !running {
		return nil, errors.New("no stack is running in this folder, so the function would have no database and no AWS: start one with make up in another terminal, then try again")
	}
	return invokeJoined(ctx, opts, root, where, f, event)
}

func invokeJoined(ctx context.Context, opts Options, root string, where endpoints, f template.Function, event []byte) ([]byte, error) {
	if err := build(ctx, root, buildDir(root), deployed, []template.Function{f}); err != nil {
		return nil, err
	}
	env, err := where.functionEnvironment(f, opts.Env)
	if err != nil {
		return nil, err
	}
	host := lambda.NewHost(lambda.Options{Log: opts.Log, Region: Region, AccountID: AccountID, Env: where.environment()})
	defer host.Close()
	function, err := host.Add(lambda.Config{
		Name: f.Name, Binary: binary(buildDir(root), f), Handler: f.Handler, Timeout: f.Timeout, MemoryMB: f.MemoryMB, MaxConcurrency: 1, Env: env,
	})
	if err != nil {
		return nil, err
	}
	return function.Invoke(ctx, event)
}

func shortNames(t *template.Template) []string {
	var names []string
	for _, f := range t.Functions {
		names = append(names, strings.TrimPrefix(f.Name, t.StackName+"-"))
	}
	return names
}
