// Package stack runs all of template.yaml on this machine: Postgres, DynamoDB,
// the other AWS services, the functions' binaries and their triggers.
package stack

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"portico/infra/local/aws"
	"portico/infra/local/inbox"
	"portico/infra/local/lambda"
	"portico/infra/local/nameserver"
	"portico/infra/local/samlidp"
	"portico/infra/local/services"
	"portico/infra/local/template"
)

// Options configure a stack. Zero values take the defaults.
type Options struct {
	Root           string                       // the repository: the folder of template.yaml
	StateDir       string                       // keeps the data between runs; default services.StateDir(Root)
	Throwaway      bool                         // keep no data, on any port, without durability
	HTTPAddr       string                       // of the HTTP API; default 127.0.0.1:8080, or the next free port
	DatabaseURL    string                       // a Postgres to use instead of an own one
	Databases      []string                     // further ones in which organizations may live
	Parameters     map[string]string            // of the template
	Env            map[string]map[string]string // by function, or "*": overrides the template's
	Secrets        []template.Secret            // further ones than the template's
	MaxConcurrency int                          // processes per function without reserved concurrency; default by cores and memory, see concurrency
	QueueWait      time.Duration                // how long a request waits for a free process; default lambda.Options'
	Schedules      bool                         // fire them by time; POST always works
	Debug          bool                         // build the functions for a debugger; one process each, which may stand still
	NodePackage    string                       // folder of the package.json that names dynalite; default infra/local of Root
	Code           map[string]string            // by function's logical id: the folder of another program to run instead
	Profile        bool                         // build the functions with a profiler, which PORTICO_CPU_PROFILES starts
	EnvFile        string                       // receives what `sam local invoke --env-vars` needs, while the stack runs; default none
	Log            io.Writer                    // lines of the functions and of the stack; default none
	Progress       services.Progress            // what takes a while at the start; default none
}

// Region and AccountID are those of everything in the stack.
const (
	Region    = "us-east-1"
	AccountID = "000000000000"
)

// Stack is a running stack.
type Stack struct {
	URL         string // of the HTTP API; its own pages are below /_local/
	AWSURL      string // of DynamoDB, SQS, S3, Secrets Manager, SES and Lambda; its path is this run's secret
	DatabaseURL string // of the stack's database, as an administrator; empty without Postgres
	Template    *template.Template

	opts      Options
	stateDir  string
	lock      *os.File // of the state's folder
	files     []string // that tell others of this run
	root      string
	postgres  *services.Postgres
	dynalite  *services.Dynalite
	aws       *aws.Server
	host      *lambda.Host
	inbox     *inbox.Inbox
	google    *services.OpenID
	openID    *services.OpenID // an organization's
	saml      *samlidp.Provider
	names     *nameserver.Server
	callbacks callbacks
	offset    atomic.Int64 // of the stack's clock, in nanoseconds
	asked     tally
	listeners struct{ api, aws, google, github net.Listener }
	servers   []*http.Server
	triggers  sync.WaitGroup
	stop      context.CancelFunc // of the triggers
	closeOnce sync.Once
}

// Start builds the functions and runs the stack until Close. The error of a
// start that fails says what to do, and nothing is left running.
func Start(ctx context.Context, opts Options) (_ *Stack, err error) {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	if opts.Progress == nil {
		opts.Progress = func(string, ...any) {}
	}
	opts.Log = &lockedWriter{w: opts.Log}
	opts.HTTPAddr = cmp.Or(opts.HTTPAddr, "127.0.0.1:8080")
	opts.NodePackage = cmp.Or(opts.NodePackage, filepath.Join(opts.Root, "infra", "local"))
	opts.MaxConcurrency = cmp.Or(opts.MaxConcurrency, concurrency(runtime.NumCPU(), freeMemory()))
	s := &Stack{opts: opts, stop: func() {}}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	for _, step := range []func(context.Context) error{
		s.prepare, s.startServices, s.startAWS, s.startFunctions, s.runCustomResources, s.readClock, s.startProviders, s.startAPI,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	s.startTriggers()
	return s, errors.Join(s.writeRunFile(), s.writeEnvFile())
}

// prepare locks the state's folder, reserves the addresses, which the template's
// values need, and reads the template.
func (s *Stack) prepare(context.Context) (err error) {
	if s.root, err = filepath.Abs(s.opts.Root); err != nil {
		return err
	}
	if err := s.takeState(); err != nil {
		return err
	}
	for _, l := range []*net.Listener{&s.listeners.aws, &s.listeners.google, &s.listeners.github} {
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	if s.names, err = nameserver.Start(); err != nil {
		return err
	}
	if s.listeners.api, err = listen(s.opts.HTTPAddr, s.opts.Progress); err != nil {
		return err
	}
	s.AWSURL = "http://" + s.listeners.aws.Addr().String() + "/" + rand.Text()
	s.URL = "http://" + s.listeners.api.Addr().String()
	if s.Template, err = loadTemplate(s.root, s.AWSURL, s.opts.Parameters); err == nil {
		s.replaceCode()
	}
	return err
}

func loadTemplate(root, awsURL string, parameters map[string]string) (*template.Template, error) {
	return template.Load(filepath.Join(root, "template.yaml"), template.Options{
		Parameters: parameters, Region: Region, AccountID: AccountID, Endpoint: awsURL,
		Defaults: map[string]string{"MailDomain": localBase},
	})
}

// portsToTry is how many ports after a taken one are tried.
const portsToTry = 20

func listen(addr string, progress services.Progress) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	host, port, split := splitPort(addr)
	if err == nil || !split || port == 0 {
		return l, err
	}
	for next := port + 1; next <= port+portsToTry; next++ {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(next))); err == nil {
			progress("port %d is taken: using %d", port, next)
			return l, nil
		}
	}
	return nil, fmt.Errorf("cannot listen on %s, nor on the %d ports after it: %w", addr, portsToTry, err)
}

func splitPort(addr string) (host string, port int, ok bool) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return "", 0, false
	}
	return a.IP.String(), a.Port, true
}

// serve runs an HTTP server until Close.
func (s *Stack) serve(l net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	s.servers = append(s.servers, server)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.logf("cannot serve %s any longer: %v", l.Addr(), err)
		}
	}()
}

func (s *Stack) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(s.opts.Log, "[local] "+format+"\n", args...) // a log that cannot be written cannot report it
}

// Close ends everything that Start started. Each part ends before the parts that
// it needs.
func (s *Stack) Close() {
	s.closeOnce.Do(func() {
		s.removeFiles()
		s.stop()
		s.triggers.Wait()
		for _, server := range s.servers {
			closeGently(server)
		}
		for _, l := range []net.Listener{s.listeners.api, s.listeners.aws, s.listeners.google, s.listeners.github} {
			if l != nil {
				_ = l.Close() // its server may have closed it
			}
		}
		if s.host != nil {
			s.host.Close()
		}
		if s.names != nil {
			s.names.Close()
		}
		var wg sync.WaitGroup
		for _, provider := range []*services.OpenID{s.google, s.openID} {
			if provider != nil {
				wg.Go(provider.Stop)
			}
		}
		if s.dynalite != nil {
			wg.Go(s.dynalite.Stop)
		}
		if s.postgres != nil {
			wg.Go(s.postgres.Stop)
		}
		wg.Wait()
		if s.lock != nil {
			_ = s.lock.Close()
		}
	})
}

// closeGently waits a moment for requests that are being answered.
func closeGently(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close() // the process ends soon after
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lockedWriter lets the functions and the stack share a log.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(data)
}
