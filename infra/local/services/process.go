// Package services starts the servers that the local stack does not implement
// itself: Postgres and dynalite, a DynamoDB. It installs missing ones if it can;
// otherwise the error says what to do.
package services

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Progress receives a line for each step that takes a while.
type Progress func(format string, args ...any)

// process is a running server. It ends when this program ends, even if that is
// killed.
type process struct {
	name   string
	cmd    *exec.Cmd
	output tail
	exited chan struct{}
}

// start runs cmd in a process group of its own, so that Ctrl-C reaches this
// program only, which then stops its servers in order. orphaned is the signal
// the server gets if this program dies.
func start(name string, cmd *exec.Cmd, user *syscall.Credential, orphaned syscall.Signal) (*process, error) {
	p := &process{name: name, cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned, Credential: user}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s could not be started: %w", name, err)
	}
	go func() {
		_ = cmd.Wait() // how it ended is in its output
		close(p.exited)
	}()
	return p, nil
}

// stop sends the signal, kills after the grace, and returns once the server is
// gone.
func (p *process) stop(signal syscall.Signal, grace time.Duration) {
	_ = p.cmd.Process.Signal(signal) // it may have ended by itself
	select {
	case <-p.exited:
	case <-time.After(grace):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.exited
	}
}

// probeFor limits one probe: if a connection gets no answer, a new one is faster
// than waiting.
const probeFor = time.Second

// ready waits until probe succeeds.
func (p *process) ready(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		attempt, end := context.WithTimeout(ctx, probeFor)
		err := probe(attempt)
		end()
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended while starting; its last output:\n%s", p.name, p.output.String())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w; its last output:\n%s", p.name, err, p.output.String())
		case <-tick.C:
		}
	}
}

// tail keeps the end of a server's output.
type tail struct {
	mu   sync.Mutex
	data []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, data...)
	if extra := len(t.data) - tailBytes; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
	return len(data), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.data))
}

// freePort returns the preferred port on 127.0.0.1 if it is free, else one
// from the operating system.
func freePort(preferred int) (int, error) {
	for _, port := range []int{preferred, 0} {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port, nil
		} else if port == 0 {
			return 0, err
		}
	}
	return 0, nil // not reached
}
