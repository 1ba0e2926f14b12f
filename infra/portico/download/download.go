// Package download writes the file behind a link to this machine.
package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Stdout is the name of the standard output.
const Stdout = "-"

// answerWithin is how long the other side may take until it begins to answer. The file
// itself may take any time.
const answerWithin = 30 * time.Second

var (
	// ErrLink is returned for a link that does not work any more. A new one may.
	ErrLink = errors.New("the link to the file does not work any more")
	// ErrCut is returned if the file did not arrive as a whole. Another try may succeed.
	ErrCut = errors.New("the file has not arrived as a whole")
)

// Target is where a file goes.
type Target struct {
	Name    string // of the file, or Stdout
	Replace bool   // a file with this name is replaced
	Out     io.Writer
}

// Check returns an error if the file cannot be written there.
func (t Target) Check() error {
	if t.Name == Stdout {
		return nil
	}
	if folder, err := os.Stat(filepath.Dir(t.Name)); err != nil || !folder.IsDir() {
		return fmt.Errorf("%s is not a folder: create it first", filepath.Dir(t.Name))
	}
	switch found, err := os.Lstat(t.Name); {
	case err == nil && found.IsDir():
		return fmt.Errorf("%s is a folder: give the name of a file", t.Name)
	case err == nil && !t.Replace:
		return fmt.Errorf("%s exists: choose another name, or replace it with --force", t.Name)
	}
	return nil
}

// Fetch writes what is behind a link, which must have that many bytes. Under its name
// there is the whole file or none: it gets its name at the end. Only its owner can read
// it.
func (t Target) Fetch(ctx context.Context, link string, size int64) error {
	body, err := open(ctx, link)
	if err != nil {
		return err
	}
	defer body.Close()
	if t.Name == Stdout {
		n, err := copyAll(t.Out, body, size)
		if n > 0 && errors.Is(err, ErrCut) {
			return fmt.Errorf("the file broke off after %d of %d bytes: discard them", n, size) // another try would repeat them
		}
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(t.Name), "."+filepath.Base(t.Name)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // there is none if it got its name
	if _, err = copyAll(file, body, size); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := t.Check(); err != nil {
		return err // somebody else has made it meanwhile
	}
	return os.Rename(file.Name(), t.Name)
}

// copyAll copies exactly that many bytes.
func copyAll(to io.Writer, from io.Reader, size int64) (int64, error) {
	n, err := io.Copy(to, io.LimitReader(broken{from}, size+1))
	if err == nil && n != size {
		err = ErrCut
	}
	return n, err
}

// broken reads, and names errors of the network ErrCut.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF && !errors.Is(err, context.Canceled) {
		err = ErrCut
	}
	return n, err
}

// open asks for the file. Neither the API's key nor anything else of the user is sent.
// Errors do not repeat the link, with which everybody could download the file.
func open(ctx context.Context, link string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, errors.New("the API's link to the file is not a URL")
	}
	client := &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: answerWithin,
			DialContext: (&net.Dialer{Timeout: answerWithin}).DialContext, DisableCompression: true, DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	var named *url.Error
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &named):
		return nil, fmt.Errorf("%w: %s: %w", ErrCut, req.URL.Host, named.Err)
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusOK:
		return res.Body, nil
	}
	_ = res.Body.Close()
	if res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusNotFound {
		return nil, ErrLink
	}
	return nil, fmt.Errorf("%w: %s answered %d", ErrCut, req.URL.Host, res.StatusCode)
}
