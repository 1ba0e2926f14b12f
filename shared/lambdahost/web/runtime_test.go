package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// unread hides the length of a body, as aws-lambda-go does.
type unread struct{ io.Reader }

// runtimeAPI answers POST with «address of the connection, declared length, body»,
// and GET after hold is closed.
func runtimeAPI(t *testing.T, hold <-chan struct{}) (*http.Client, *httptest.Server) {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.Method == http.MethodGet {
			<-hold
		}
		if err != nil || r.Header.Get("Content-Type") != "a/b" || r.Host != strings.TrimPrefix(r.URL.Query().Get("host"), "http://") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, r.RemoteAddr+" "+r.Header.Get("Content-Length")+" "+string(body))
	}))
	t.Cleanup(api.Close)
	others := roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("to others") })
	return &http.Client{Transport: &runtimeTransport{address: api.Listener.Addr().String(), others: others}}, api
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func exchange(t *testing.T, client *http.Client, method, url, body string) (connection, rest string) {
	t.Helper()
	req, err := http.NewRequest(method, url+"?host="+url, unread{strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "a/b")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s, %v", res.StatusCode, text, err)
	}
	connection, rest, _ = strings.Cut(string(text), " ")
	return connection, rest
}

// An answer arrives whole and with its length, on one connection for all calls,
// unless that connection could have been closed meanwhile.
func TestRuntimeTransport(t *testing.T) {
	hold := make(chan struct{})
	close(hold)
	client, api := runtimeAPI(t, hold)
	long := strings.Repeat("0123456789", 100_000)
	first, rest := exchange(t, client, http.MethodPost, api.URL, long)
	if rest != "1000000 "+long {
		t.Errorf("got %.50s…", rest)
	}
	for _, body := range []string{"", "x"} {
		if same, _ := exchange(t, client, http.MethodPost, api.URL, body); same != first {
			t.Errorf("%q was sent on another connection", body)
		}
	}
	transport := client.Transport.(*runtimeTransport)
	transport.idle[0].since = time.Now().Add(-maxIdle)
	api.CloseClientConnections()
	if other, _ := exchange(t, client, http.MethodGet, api.URL, ""); other == first || len(transport.idle) != 1 {
		t.Errorf("an old connection was used, or kept: %d are idle", len(transport.idle))
	}
	if _, err := client.Get("http://elsewhere.example/"); err == nil || !strings.Contains(err.Error(), "to others") {
		t.Errorf("another host: %v", err)
	}
}

// A call that waits for an event ends with its context.
func TestRuntimeTransportStops(t *testing.T) {
	hold := make(chan struct{})
	client, api := runtimeAPI(t, hold)
	defer close(hold)
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, api.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := client.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// An answer that cannot be read is not sent as if it were complete.
func TestRuntimeTransportRefusesHalfAnAnswer(t *testing.T) {
	client, api := runtimeAPI(t, nil)
	req, err := http.NewRequest(http.MethodPost, api.URL, unread{strings.NewReader("half")})
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"Lambda-Runtime-Function-Error-Type": {"broken"}, "Lambda-Runtime-Function-Error-Body": nil}
	if _, err := client.Do(req); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v", err)
	}
}
