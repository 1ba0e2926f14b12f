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
	"strings"
	"sync"
	"syscall"
	"time"
)

// OpenID plays an OpenID Connect provider: npm's oidc-provider, with the form of openid.mjs.
// It starts with the first request, so that it costs nothing where nobody signs in with it.
type OpenID struct {
	Name      string   // for people, such as Google
	Package   string   // folder of package.json and openid.mjs
	Issuer    string   // its address, such as http://localhost:4000; it may have a path
	Redirects []string // where it may send browsers back

	mu      sync.Mutex
	socket  string
	process *process
}

// ServeHTTP passes requests on.
func (p *OpenID) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := p.start(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	(&httputil.ReverseProxy{
		Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true},
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", r.In.Host },
	}).ServeHTTP(w, r)
}

func (p *OpenID) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", p.socket)
}

// start starts the server if it does not run yet.
func (p *OpenID) start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process != nil {
		return nil
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return fmt.Errorf("an OpenID Connect provider needs Node.js 20.19 or later: install it (on Debian: apt-get install nodejs npm)")
	}
	if err := install(ctx, p.Package, func(string, ...any) {}); err != nil {
		return err
	}
	dir, err := socketFolder()
	if err != nil {
		return err
	}
	p.socket = filepath.Join(dir, "socket")
	server, err := start("the local "+p.Name, exec.Command(node, filepath.Join(p.Package, "openid.mjs"), p.socket, p.Issuer, strings.Join(p.Redirects, " "), p.Name), nil, syscall.SIGKILL)
	if err == nil {
		err = server.ready(ctx, func(ctx context.Context) error {
			conn, err := p.dial(ctx, "", "")
			if err != nil {
				return err
			}
			return conn.Close()
		})
		if err != nil {
			server.stop(syscall.SIGKILL, time.Second)
		}
	}
	if err != nil {
		_ = os.RemoveAll(dir) // it is empty
		return err
	}
	p.process = server
	return nil
}

// Stop ends the server, if it has started.
func (p *OpenID) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return
	}
	p.process.stop(syscall.SIGTERM, 5*time.Second)
	p.process = nil
	_ = os.RemoveAll(filepath.Dir(p.socket))
}
