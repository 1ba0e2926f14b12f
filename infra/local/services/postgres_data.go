package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// prepareData locks the folder, ends a server that a killed run left, and
// creates the data if there are none.
func (p *Postgres) prepareData(ctx context.Context) error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	var err error
	if p.lock, err = Lock(p.dir); err != nil {
		return err
	}
	version, err := os.ReadFile(filepath.Join(p.data(), "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return p.initialize(ctx)
	}
	if err != nil {
		return err
	}
	if major := strings.TrimSpace(string(version)); major != strconv.Itoa(p.binaries.major) {
		return fmt.Errorf("the data in %s are of Postgres %s, but the newest one installed is %d: install version %s, or delete the folder to start without data",
			p.data(), major, p.binaries.major, major)
	}
	return p.endOrphan()
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *Postgres) initialize(ctx context.Context) error {
	begin := time.Now()
	_ = os.RemoveAll(p.data()) // left by an interrupted initialisation
	if err := os.Mkdir(p.data(), 0o700); err != nil {
		return err
	}
	if p.user != nil {
		if err := os.Chown(p.data(), int(p.user.Uid), int(p.user.Gid)); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.binaries.dir, "initdb"),
		"-D", p.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir, cmd.Env = p.dir, p.environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(p.data())
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	p.opts.Progress("created a Postgres %d database in %v", p.binaries.major, time.Since(begin).Round(100*time.Millisecond))
	return nil
}

// writeCertificate writes the TLS files to the folder where Postgres expects
// them.
func (p *Postgres) writeCertificate() error {
	for name, content := range map[string]string{"server.crt": p.opts.Certificate, "server.key": p.opts.Key} {
		if content == "" {
			continue
		}
		file := filepath.Join(p.data(), name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return err
		}
		if p.user != nil {
			if err := os.Chown(file, int(p.user.Uid), int(p.user.Gid)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Postgres) environment() []string {
	return []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}

// endOrphan handles the pid file that a killed run left. We hold the lock, so a
// server that still uses these data belongs to no running program.
func (p *Postgres) endOrphan() error {
	file := filepath.Join(p.data(), "postmaster.pid")
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil || !p.servesData(pid) {
		return os.Remove(file)
	}
	p.opts.Progress("stopping the Postgres that an earlier run left behind (process %d)", pid)
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _ = syscall.Kill(pid, syscall.SIGINT); p.servesData(pid); {
		select {
		case <-deadline:
			return fmt.Errorf("process %d still serves %s and does not end: stop it", pid, p.data())
		case <-tick.C:
		}
	}
	return nil
}

// servesData reports whether the process is a server of these data, and not
// another process with the same id.
func (p *Postgres) servesData(pid int) bool {
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(command), p.data()+"\x00")
}
