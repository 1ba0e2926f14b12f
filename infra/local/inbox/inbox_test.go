package inbox_test

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"portico/infra/local/inbox"
	"portico/shared/webhook/signing"
)

const (
	path   = "/_local/inbox"
	body   = `{"id":"evt_1","type":"invoice.paid","data":{"total":1.10}}`
	first  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	second = "whsec_C2FVsBQIhrscChlQIMVXb5sSYspob7oD"
)

func newInbox(t *testing.T, file string) *inbox.Inbox {
	t.Helper()
	in, err := inbox.New(path, file)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// reply passes a reply of the API to the inbox.
func reply(in *inbox.Inbox, status int, method, path, text string) {
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	})
	in.Learn(api).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
}

func endpoint(id, url, secret, publicKey string) string {
	return fmt.Sprintf(`{"id":%q,"url":%q,"secret":%q,"public_key":%q}`, id, url, secret, publicKey)
}

// deliver returns the endpoint whose signature the inbox recognised.
func deliver(t *testing.T, in *inbox.Inbox, body string, headers ...string) string {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Webhook-Id", "evt_1")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	if in.ServeHTTP(w, r); w.Code != 200 {
		t.Fatalf("the inbox answered %d", w.Code)
	}
	return in.Received()[0].Endpoint
}

// Each scheme's signature is verified with the secret or key of the API's reply;
// any other signature is refused.
func TestVerify(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	in := newInbox(t, "")
	reply(in, 201, "POST", "/v1/webhook-endpoints", endpoint("we_1", "http://127.0.0.1:8080"+path, first, ""))
	reply(in, 201, "POST", "/v1/webhook-endpoints", endpoint("we_2", "http://localhost:8080"+path, second, signing.ShowPublicKey(public)))
	now := time.Now()
	stamp := strconv.FormatInt(now.Unix(), 10)
	standard := func(secret string) string {
		s, err := signing.SignStandard("evt_1", now, []byte(body), secret)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct {
		name, body string
		headers    []string
		want       string
	}{
		{"portico", body, []string{"Webhook-Signature", signing.Sign([]byte(body), now, first)}, "we_1"},
		{"portico, in a rotation", body, []string{"Webhook-Signature", signing.Sign([]byte(body), now, "whsec_new", first)}, "we_1"},
		{"standard", body, []string{"Webhook-Signature", standard(second), "Webhook-Timestamp", stamp}, "we_2"},
		{"asymmetric", body, []string{"Webhook-Signature", signing.SignAsymmetric("evt_1", now, []byte(body), foreign, private), "Webhook-Timestamp", stamp}, "we_2"},
		{"an unknown secret", body, []string{"Webhook-Signature", signing.Sign([]byte(body), now, "whsec_other")}, ""},
		{"an unknown key", body, []string{"Webhook-Signature", signing.SignAsymmetric("evt_1", now, []byte(body), foreign), "Webhook-Timestamp", stamp}, ""},
		{"a changed body", body + " ", []string{"Webhook-Signature", signing.Sign([]byte(body), now, first)}, ""},
		{"another time", body, []string{"Webhook-Signature", standard(second), "Webhook-Timestamp", "1"}, ""},
		{"no time", body, []string{"Webhook-Signature", standard(second)}, ""},
		{"no signature", body, nil, ""},
		{"half a signature", body, []string{"Webhook-Signature", "t=,v1="}, ""},
	} {
		if got := deliver(t, in, tt.body, tt.headers...); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A rotation adds a secret and keeps the previous one; after a restart both are
// known.
func TestLearn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "inbox.json")
	in := newInbox(t, file)
	ours := "http://127.0.0.1:8080" + path
	reply(in, 201, "POST", "/v1/webhook-endpoints", endpoint("we_elsewhere", "https://example.com/", "whsec_elsewhere", ""))
	reply(in, 422, "POST", "/v1/webhook-endpoints", endpoint("we_refused", ours, "whsec_refused", ""))
	reply(in, 201, "POST", "/v1/events", endpoint("we_event", ours, "whsec_event", ""))
	reply(in, 201, "POST", "/v1/webhook-endpoints", endpoint("we_1", ours, "whsec_oldest", ""))
	for _, secret := range []string{first, second} {
		reply(in, 200, "POST", "/v1/webhook-endpoints/we_1/rotate-secret", endpoint("we_1", ours, secret, ""))
	}
	reply(in, 200, "PATCH", "/v1/webhook-endpoints/we_1", `{"id":"we_1","url":"`+ours+`","public_key":null}`)
	for _, in := range []*inbox.Inbox{in, newInbox(t, file)} {
		for secret, want := range map[string]string{
			first: "we_1", second: "we_1", "whsec_oldest": "", "whsec_elsewhere": "", "whsec_refused": "", "whsec_event": "",
		} {
			if got := deliver(t, in, body, "Webhook-Signature", signing.Sign([]byte(body), time.Now(), secret)); got != want {
				t.Errorf("%s: %q, want %q", secret, got, want)
			}
		}
	}
}

// Deliveries are kept unchanged, the newest first, up to a limit.
func TestReceived(t *testing.T) {
	in := newInbox(t, "")
	for i := range 60 {
		deliver(t, in, fmt.Sprintf(`{"type":"n.%d"}`, i), "X-Mine", "yes")
	}
	deliver(t, in, `no JSON`)
	got := in.Received()
	if len(got) != 50 || got[0].Body != "no JSON" || got[0].Type != "" || got[1].Type != "n.59" || got[1].Event != "evt_1" {
		t.Errorf("%d: %+v", len(got), got[:2])
	}
	if h := got[1].Headers; len(h) != 2 || h[0].Name != "Webhook-Id" || h[1] != (inbox.Header{Name: "X-Mine", Value: "yes"}) {
		t.Errorf("headers %v", h)
	}
	w := httptest.NewRecorder()
	if in.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(strings.Repeat("x", 1<<20+1)))); w.Code != 413 {
		t.Errorf("a huge body: %d", w.Code)
	}
}
