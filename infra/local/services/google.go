package services

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Google plays Google: npm's oidc-provider, with the form of google.mjs. It starts with the
// first request, so that it costs nothing where nobody signs in with it.
type Google struct {
	Package  string // folder of package.json and google.mjs
	Issuer   string // its address, such as http://localhost:4000
	Redirect string // where it may send browsers back

	mu      sync.Mutex
	socket  string
	process *process
}

// ServeHTTP passes requests on.
func (g *Google) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := g.start(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	(&httputil.ReverseProxy{
		Transport: &http.Transport{DialContext: g.dial, DisableKeepAlives: true},
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", r.In.Host },
	}).ServeHTTP(w, r)
}

func (g *Google) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", g.socket)
}

// start starts the server if it does not run yet.
func (g *Google) start(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process != nil {
		return nil
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return fmt.Errorf("the local Google needs Node.js 20.19 or later: install it (on Debian: apt-get install nodejs npm)")
	}
	if err := install(ctx, g.Package, func(string, ...any) {}); err != nil {
		return err
	}
	dir, err := socketFolder()
	if err != nil {
		return err
	}
	g.socket = filepath.Join(dir, "socket")
	p, err := start("the local Google", exec.Command(node, filepath.Join(g.Package, "google.mjs"), g.socket, g.Issuer, g.Redirect), nil, syscall.SIGKILL)
	if err == nil {
		err = p.ready(ctx, func(ctx context.Context) error {
			conn, err := g.dial(ctx, "", "")
			if err != nil {
				return err
			}
			return conn.Close()
		})
		if err != nil {
			p.stop(syscall.SIGKILL, time.Second)
		}
	}
	if err != nil {
		_ = os.RemoveAll(dir) // it is empty
		return err
	}
	g.process = p
	return nil
}

// Stop ends the server, if it has started.
func (g *Google) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process == nil {
		return
	}
	g.process.stop(syscall.SIGTERM, 5*time.Second)
	g.process = nil
	_ = os.RemoveAll(filepath.Dir(g.socket))
}
