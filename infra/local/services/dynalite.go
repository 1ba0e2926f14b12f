package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// DynaliteOptions say which DynamoDB to start.
type DynaliteOptions struct {
	Package  string // folder of package.json and package-lock.json
	Dir      string // of the data; empty: in memory
	Progress Progress
}

// Dynalite is a running DynamoDB.
type Dynalite struct {
	URL     string
	process *process
}

// StartDynalite installs dynalite if its lock file is newer than what is
// installed, and starts it.
func StartDynalite(ctx context.Context, opts DynaliteOptions) (*Dynalite, error) {
	if opts.Progress == nil {
		opts.Progress = func(string, ...any) {}
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("the local DynamoDB needs Node.js 18 or later: install it (on Debian: apt-get install nodejs npm)")
	}
	if err := installDynalite(ctx, opts); err != nil {
		return nil, err
	}
	port, err := freePort(0)
	if err != nil {
		return nil, err
	}
	args := []string{
		filepath.Join(opts.Package, "node_modules", "dynalite", "cli.js"), "--host", "127.0.0.1", "--port", fmt.Sprint(port),
		"--createTableMs", "0", "--deleteTableMs", "0", "--updateTableMs", "0",
	}
	if opts.Dir != "" {
		if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
			return nil, err
		}
		args = append(args, "--path", opts.Dir)
	}
	p, err := start("dynalite", exec.Command(node, args...), nil, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	d := &Dynalite{URL: fmt.Sprintf("http://127.0.0.1:%d", port), process: p}
	if err := p.ready(ctx, d.answers); err != nil {
		d.Stop()
		return nil, err
	}
	return d, nil
}

func (d *Dynalite) answers(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(d.URL, "http://"))
	if err != nil {
		return err
	}
	return conn.Close()
}

// Stop ends the server.
func (d *Dynalite) Stop() { d.process.stop(syscall.SIGTERM, 5*time.Second) }

func installDynalite(ctx context.Context, opts DynaliteOptions) error {
	lockFile, err := os.Open(filepath.Join(opts.Package, "package-lock.json"))
	if err != nil {
		return err
	}
	defer lockFile.Close()
	if err := syscall.Flock(int(lockFile.Fd()), syscall.LOCK_EX); err != nil { // one at a time
		return err
	}
	locked, err := lockFile.Stat()
	if err != nil {
		return err
	}
	// npm writes this file last.
	installed, err := os.Stat(filepath.Join(opts.Package, "node_modules", ".package-lock.json"))
	if err == nil && !installed.ModTime().Before(locked.ModTime()) {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("installing the local DynamoDB needs npm: install it (on Debian: apt-get install npm)")
	}
	begin := time.Now()
	opts.Progress("installing dynalite: npm ci")
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = opts.Package
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w\n%s", opts.Package, err, out)
	}
	opts.Progress("installed dynalite in %v", time.Since(begin).Round(100*time.Millisecond))
	return nil
}
