package services

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// DynaliteOptions say which DynamoDB to start.
type DynaliteOptions struct {
	Package  string // folder of package.json and package-lock.json
	Dir      string // of the data; empty: in memory
	Private  bool   // can be reached only through Handler
	Progress Progress
}

// Dynalite is a running DynamoDB. It accepts requests without authentication.
type Dynalite struct {
	URL     string // useless to others if it is private
	socket  string // on which a private one listens, in a folder of its own
	client  *http.Client
	process *process
}

// survive is a module that keeps dynalite alive when a client breaks off a request:
// dynalite itself throws that error where nobody catches it.
const survive = `data:text/javascript,process.on("uncaughtException",e=>{if(e.code!=="ECONNRESET"){console.error(e);process.exit(1)}})`

// StartDynalite installs dynalite if its lock file is newer than what is
// installed, and starts it.
func StartDynalite(ctx context.Context, opts DynaliteOptions) (*Dynalite, error) {
	if opts.Progress == nil {
		opts.Progress = func(string, ...any) {}
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("the local DynamoDB needs Node.js 20.19 or later: install it (on Debian: apt-get install nodejs npm)")
	}
	if err := install(ctx, opts.Package, opts.Progress); err != nil {
		return nil, err
	}
	d := &Dynalite{}
	listen, err := d.address(opts.Private)
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"--import", survive, filepath.Join(opts.Package, "node_modules", "dynalite", "cli.js"),
		"--createTableMs", "0", "--deleteTableMs", "0", "--updateTableMs", "0",
	}, listen...)
	if opts.Dir != "" {
		if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
			return nil, err
		}
		args = append(args, "--path", opts.Dir)
	}
	if d.process, err = start("dynalite", exec.Command(node, args...), nil, syscall.SIGKILL); err != nil {
		d.removeSocket()
		return nil, err
	}
	if err := d.process.ready(ctx, d.answers); err != nil {
		d.Stop()
		return nil, err
	}
	return d, nil
}

// address chooses the server's address, and returns the arguments for it.
func (d *Dynalite) address(private bool) ([]string, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	d.client = &http.Client{Transport: transport}
	if !private {
		port, err := freePort(0)
		d.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
		return []string{"--host", "127.0.0.1", "--port", fmt.Sprint(port)}, err
	}
	dir, err := socketFolder()
	if err != nil {
		return nil, err
	}
	d.URL, d.socket = "http://dynalite.invalid", filepath.Join(dir, "socket")
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", d.socket)
	}
	return []string{"--port", d.socket}, nil
}

// maxSocketPath is how many bytes the path of a socket may have on every system:
// 103 on macOS, 107 on Linux.
const maxSocketPath = 103

// socketFolder makes a folder that only we can enter, in TMPDIR, or in /tmp if
// the path of a socket in TMPDIR would be too long.
func socketFolder() (string, error) {
	const name, longest = "portico-dynamodb-", "portico-dynamodb-4294967295/socket"
	parent := os.TempDir()
	if len(filepath.Join(parent, longest)) > maxSocketPath {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, name)
	if err != nil {
		return "", fmt.Errorf("making a folder for the local DynamoDB's socket: set TMPDIR to a folder that you may write to, with a path of at most %d bytes: %w", maxSocketPath-len("/"+longest), err)
	}
	return dir, nil
}

func (d *Dynalite) answers(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL, nil)
	if err != nil {
		return err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Handler passes requests on.
func (d *Dynalite) Handler() http.Handler {
	server, _ := url.Parse(d.URL) // made above
	return &httputil.ReverseProxy{
		Transport: d.client.Transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(server) },
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil { // otherwise the caller waits no longer
				log.Printf("dynalite: %v %s", err, d.lastWords())
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
}

// lastWords is what the server has written, if it has ended.
func (d *Dynalite) lastWords() string {
	select {
	case <-d.process.exited:
		return d.process.output.String()
	default:
		return ""
	}
}

// Stop ends the server.
func (d *Dynalite) Stop() {
	d.process.stop(syscall.SIGTERM, 5*time.Second)
	d.removeSocket()
}

func (d *Dynalite) removeSocket() {
	if d.socket != "" {
		_ = os.RemoveAll(filepath.Dir(d.socket)) // otherwise an empty folder stays in /tmp
	}
}

// install installs what a folder's lock file names, if that is newer than what is installed.
func install(ctx context.Context, folder string, progress Progress) error {
	lockFile, err := os.Open(filepath.Join(folder, "package-lock.json"))
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
	installed, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json"))
	if err == nil && !installed.ModTime().Before(locked.ModTime()) {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("installing what the local stack runs on Node needs npm: install it (on Debian: apt-get install npm)")
	}
	begin := time.Now()
	progress("installing dynalite and oidc-provider: npm ci")
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w\n%s", folder, err, out)
	}
	progress("installed them in %v", time.Since(begin).Round(100*time.Millisecond))
	return nil
}
