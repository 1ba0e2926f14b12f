package lambda

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// process is one execution environment. Its fields are guarded by fn.mu.
type process struct {
	fn        *Function
	pid       int    // 0 until started
	secret    string // the path of its Runtime API
	initTimer *time.Timer
	asked     bool        // has asked for work, so its initialisation has ended
	retired   bool        // gets no more work and is stopped
	next      net.Conn    // on which it waits for work
	current   *invocation // what it works on
	initError *FunctionError
	verdict   string        // why it was killed, for the error of its invocation
	expected  bool          // its end is expected and not logged
	exited    chan struct{} // closed once it is reaped
}

// run starts the program and waits until it has ended.
func (p *process) run(env map[string]string) {
	defer close(p.exited)
	why := p.execute(env)
	f := p.fn
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.live, p)
	if i := slices.Index(f.idle, p); i >= 0 {
		f.idle = slices.Delete(f.idle, i, i+1)
	}
	if p.verdict != "" {
		why = p.verdict
	}
	if !p.expected {
		f.host.log.line(f.Name, why)
	}
	if !p.asked {
		f.starting--
		f.stats.Errors++
		err := p.initError
		if err == nil {
			err = platformError("Runtime.ExitError", "none", "%s before it asked for work", why)
		}
		f.serve(handover{err: err})
	}
	p.finish(outcome{err: platformError("Runtime.ExitError", p.currentID(), "%s", why)})
	f.grow()
}

// execute runs the program until it ends and returns how it ended.
func (p *process) execute(env map[string]string) string {
	f := p.fn
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Sprintf("Runtime could not be started: %v", err)
	}
	defer api.Close()
	p.secret = rand.Text()
	go p.accept(api)

	output := f.host.log.prefixed(f.Name)
	defer output.flush()
	cmd := exec.Command(f.Binary)
	cmd.Dir = filepath.Dir(f.Binary)
	cmd.Env = p.environment(api.Addr().String()+"/"+p.secret, env)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = time.Second // in case a grandchild holds the pipe
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return ErrClosed.Error()
	}
	err = cmd.Start()
	if err == nil {
		p.pid = cmd.Process.Pid
		p.initTimer = time.AfterFunc(f.host.opts.InitTimeout, p.initTimedOut)
	}
	f.mu.Unlock()
	if err != nil {
		return fmt.Sprintf("Runtime could not be started: %v", err)
	}
	err = cmd.Wait()
	p.initTimer.Stop()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + err.Error()
}

func (p *process) initTimedOut() {
	p.kill(fmt.Sprintf("Runtime was killed: it did not ask for work within %v", p.fn.host.opts.InitTimeout))
}

// assign gives the process work; false when it has ended.
func (p *process) assign(inv *invocation, payload []byte) bool {
	f := p.fn
	f.mu.Lock()
	if !f.live[p] {
		f.mu.Unlock()
		return false
	}
	conn := p.next
	p.next, p.current = nil, inv
	f.stats.Invocations++
	inv.timer = time.AfterFunc(f.Timeout, func() { p.timedOut(inv) })
	f.mu.Unlock()
	// An error here means that the process is ending, which run reports.
	_ = f.writeNext(conn, inv.id, payload)
	return true
}

func (p *process) currentID() string {
	if p.current == nil {
		return ""
	}
	return p.current.id
}

// finish completes the current invocation, if there is one. fn.mu is held.
func (p *process) finish(o outcome) {
	inv := p.current
	if inv == nil {
		return
	}
	p.current = nil
	inv.timer.Stop()
	if o.err != nil {
		p.fn.stats.Errors++
	}
	inv.done <- o
}

func (p *process) timedOut(inv *invocation) {
	p.fn.mu.Lock()
	if p.current != inv {
		p.fn.mu.Unlock()
		return
	}
	err := timeoutError(inv.id, p.fn.Timeout)
	p.finish(outcome{err: err})
	p.expected = true
	p.fn.mu.Unlock()
	p.fn.host.log.line(p.fn.Name, err.Message)
	p.kill("")
}

// kill ends the process and its children at once. A verdict replaces the
// description of its end.
func (p *process) kill(verdict string) {
	p.fn.mu.Lock()
	defer p.fn.mu.Unlock()
	if verdict != "" {
		p.verdict = verdict
	}
	p.signal(syscall.SIGKILL)
}

// signal reaches the process group. fn.mu is held, so that a process that was
// not reaped yet cannot be mistaken for another with its id.
func (p *process) signal(s syscall.Signal) {
	if p.pid != 0 && p.fn.live[p] {
		_ = syscall.Kill(-p.pid, s) // it may just have ended
	}
}

// stop asks the process to end, kills it after the grace, and returns once it
// is gone.
func (p *process) stop(grace time.Duration) {
	p.fn.mu.Lock()
	p.expected = true
	p.signal(syscall.SIGTERM)
	p.fn.mu.Unlock()
	select {
	case <-p.exited:
	case <-time.After(grace):
		p.kill("")
		<-p.exited
	}
}
