package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// browser is somebody who uses the pages. The pages count the forms of each address of the
// network, so a browser can come from another address of this machine.
type browser struct {
	b       *bed
	client  *http.Client
	cookies map[string]string
}

func (b *bed) newBrowser() *browser {
	w := &browser{b: b, cookies: map[string]string{}}
	w.move()
	return w
}

// move lets the browser come from an address that nobody has come from.
func (w *browser) move() {
	if w.client != nil {
		w.client.CloseIdleConnections()
	}
	n := w.b.next.Add(1)
	from := net.TCPAddr{IP: net.IPv4(127, 1, byte(n>>8), byte(n))}
	to := strings.TrimPrefix(w.b.URL, "http://")
	w.client = &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &from}).DialContext(ctx, network, to)
		},
	}}
}

// send sends a form, or gets a page if form is nil, and returns where it leads and its text.
func (w *browser) send(ctx context.Context, path string, form url.Values) (status int, to, text string, err error) {
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, w.b.site+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range w.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	got, err := w.client.Do(r)
	if err != nil {
		return 0, "", "", err
	}
	body, err := io.ReadAll(got.Body)
	err = errors.Join(err, got.Body.Close())
	for _, c := range got.Cookies() {
		if w.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(w.cookies, c.Name)
		}
	}
	return got.StatusCode, got.Header.Get("Location"), string(body), err
}

const password = "vanish quietly"

// person signs somebody up with the mailed link, and returns their browser.
func (b *bed) person(ctx context.Context, email string) (*browser, error) {
	w := b.newBrowser()
	if status, _, text, err := w.send(ctx, "/sign-up", url.Values{"email": {email}}); err != nil || status != http.StatusSeeOther {
		return nil, fmt.Errorf("asking to sign up: %d %.300s, %w", status, text, err)
	}
	path, err := w.mailed(ctx, email)
	if err != nil {
		return nil, err
	}
	status, _, text, err := w.send(ctx, path, url.Values{"name": {"Ada"}, "organization": {"Acme"}, "password": {password}})
	if err == nil && status != http.StatusSeeOther {
		err = fmt.Errorf("signing up: %d %.300s", status, text)
	}
	return w, err
}

var mailID, signUpLink = regexp.MustCompile(`/_local/mailbox/([0-9a-f-]{36})"`), regexp.MustCompile(`/sign-up/confirm\?token=[\w-]+`)

// mailed waits for the link that an address is sent.
func (w *browser) mailed(ctx context.Context, email string) (path string, err error) {
	for begin := time.Now(); time.Since(begin) < time.Minute; {
		_, _, list, err := w.send(ctx, "/_local/mailbox?contains="+url.QueryEscape(email), nil)
		if err != nil {
			return "", err
		}
		if id := mailID.FindStringSubmatch(list); id != nil {
			_, _, mail, err := w.send(ctx, "/_local/mailbox/"+id[1]+"?form=text", nil)
			if link := signUpLink.FindString(mail); err != nil || link != "" {
				return link, err
			}
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return "", fmt.Errorf("no mail came to %s in a minute", email)
}

// signIn signs in with a password from a new address, and returns what the last form was
// answered and how long all took.
func (w *browser) signIn(ctx context.Context, email, text string) (status int, took time.Duration, err error) {
	w.move()
	begin := time.Now()
	if _, _, _, err = w.send(ctx, "/sign-in", url.Values{"email": {email}}); err != nil {
		return 0, 0, err
	}
	status, _, _, err = w.send(ctx, "/sign-in/password", url.Values{"password": {text}})
	return status, time.Since(begin), err
}
