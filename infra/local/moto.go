package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startMoto starts the moto that infra/local/moto installed and returns its
// address, or "" if it could not be installed: then infra/local/moto has said why, and
// the tests that compare with it do not run.
func startMoto(ctx context.Context, root string) (url string, stop func(), err error) {
	folder := filepath.Join(root, ".local", "moto")
	stop = func() {}
	if _, err := os.Stat(filepath.Join(folder, "installed")); err != nil {
		return "", stop, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", stop, err
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address) // of a listener
	cmd := exec.Command(filepath.Join(folder, "bin", "moto_server"), "-H", "127.0.0.1", "-p", port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return "", stop, fmt.Errorf("moto: %w; delete %s to install it again", err, folder)
	}
	front := &http.Server{Handler: inTurn(address), ReadHeaderTimeout: 10 * time.Second}
	stop = func() {
		_ = front.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}
	if !answers(ctx, "http://"+address) {
		stop()
		return "", func() {}, fmt.Errorf("moto does not answer: delete %s to install it again", folder)
	}
	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		stop()
		return "", func() {}, err
	}
	go func() { _ = front.Serve(l) }() // ends with stop
	return "http://" + l.Addr().String(), stop, nil
}

// inTurn passes requests on to moto, those of DynamoDB one after the other: moto checks the
// condition of a write and writes in two steps, between which other requests write.
func inTurn(address string) http.Handler {
	moto := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	var turn sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_") {
			turn.Lock()
			defer turn.Unlock()
		}
		moto.ServeHTTP(w, r)
	})
}

// answers waits until a server answers, half a minute at most.
func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			return res.Body.Close() == nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false
}
