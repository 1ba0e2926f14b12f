package captcha_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/captcha"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/fault"
	"portico/shared/testkit"
)

var viewer = netip.MustParseAddr("203.0.113.7")

// secret is what the stand-in accepts.
const secret = "the-secret"

// fixture is a verifier with a table of its own, and a stand-in for the vendor.
type fixture struct {
	*testing.T
	vendor *vendor
	table  dynamo.Table
	clock  *clock.Clock
	config captcha.Config
}

// vendor is a stand-in that answers as the vendors document it. It accepts every
// token as often as it is asked, so only we can refuse a second use.
type vendor struct {
	answer func(w http.ResponseWriter, r *http.Request) // nil: success
	asked  atomic.Int64
	mu     sync.Mutex
	form   map[string][]string
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.asked.Add(1)
	if err := r.ParseForm(); err != nil || r.Method != "POST" || len(r.URL.RawQuery) > 0 {
		http.Error(w, "no form", http.StatusBadRequest)
		return
	}
	v.mu.Lock()
	v.form = r.PostForm
	answer := v.answer
	v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.PostForm.Get("secret") != secret:
		_, _ = io.WriteString(w, `{"success":false,"error-codes":["invalid-input-secret"]}`)
	case answer != nil:
		answer(w, r)
	default:
		_, _ = io.WriteString(w, `{"success":true,"challenge_ts":"2026-11-22T10:00:00Z","hostname":"app.example.com","action":"signIn","error-codes":[]}`)
	}
}

func newFixture(t *testing.T, endpoint string, of captcha.Vendor) *fixture {
	t.Helper()
	f := &fixture{T: t, vendor: &vendor{}, clock: clock.New(0)}
	server := httptest.NewServer(f.vendor)
	t.Cleanup(server.Close)
	client, name := testkit.Table(t, endpoint, "id")
	f.table = dynamo.NewTable(client, name, "id")
	f.config = captcha.Config{Vendor: of, Endpoint: server.URL, SiteKey: "site", Secret: secret}
	return f
}

func (f *fixture) verifier() *captcha.Verifier {
	return captcha.NewVerifier(f.config, f.table, f.clock)
}

func (f *fixture) verify(token string) error {
	return f.verifier().Verify(f.Context(), token, viewer, "signIn")
}

// eachStore runs a test with every available DynamoDB and both vendors.
func eachStore(t *testing.T, test func(*fixture)) {
	for name, endpoint := range testkit.DynamoDBEndpoints(t) {
		for _, of := range []captcha.Vendor{captcha.Turnstile, captcha.HCaptcha} {
			t.Run(name+"/"+of.Name, func(t *testing.T) { test(newFixture(t, endpoint, of)) })
		}
	}
}

// A token that the vendor accepts is accepted once: a second use is refused though
// the vendor would accept it, also when many requests send it at once.
func TestReplayIsRefused(t *testing.T) {
	t.Parallel()
	eachStore(t, func(f *fixture) {
		if err := f.verify("first"); err != nil {
			f.Fatal(err)
		}
		if err := f.verify("first"); !errors.Is(err, captcha.ErrInvalid) {
			f.Errorf("the second use: %v", err)
		}
		v, passed := f.verifier(), atomic.Int64{}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if v.Verify(f.Context(), "together", viewer, "signIn") == nil {
					passed.Add(1)
				}
			})
		}
		if all.Wait(); passed.Load() != 1 {
			f.Errorf("%d of 20 requests passed with one token", passed.Load())
		}
		// DynamoDB deletes expired items late: an item that is still there counts
		// as absent, and the vendor then refuses the old token.
		f.clock.Advance(59 * time.Minute)
		if err := f.verify("first"); !errors.Is(err, captcha.ErrInvalid) {
			f.Errorf("an hour later: %v", err)
		}
		f.clock.Advance(2 * time.Minute)
		if err := f.verify("first"); err != nil {
			f.Errorf("when the item has expired: %v", err)
		}
	})
}

// The vendor gets the secret, the token, the site key and the viewer's address.
func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.DynamoDBEndpoint(t), captcha.HCaptcha)
	if err := f.verifier().Verify(t.Context(), "a&b=c+d", netip.MustParseAddr("::ffff:203.0.113.7"), ""); err != nil {
		t.Fatal(err)
	}
	want := "map[remoteip:[203.0.113.7] response:[a&b=c+d] secret:[the-secret] sitekey:[site]]"
	if got := fmt.Sprint(f.vendor.form); got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
}

func says(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func cuts(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"success":true`)
}

func drips(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, `{"success":true`)
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// Whatever the vendor answers, only its success for our host and action lets a
// token through. What is wrong with the token is ErrInvalid, the rest ErrAway.
func TestVendorAnswers(t *testing.T) {
	t.Parallel()
	endpoint := testkit.DynamoDBEndpoint(t)
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   error
	}{
		"success":                     {says(200, `{"success":true,"hostname":"app.example.com","action":"signIn"}`), nil},
		"success of a later protocol": {says(200, `{"success":true,"hostname":"app.example.com","action":"signIn","new":{"a":[1]}}`), nil},
		"another host":                {says(200, `{"success":true,"hostname":"evil.example","action":"signIn"}`), captcha.ErrInvalid},
		"no host":                     {says(200, `{"success":true,"action":"signIn"}`), captcha.ErrInvalid},
		"another action":              {says(200, `{"success":true,"hostname":"app.example.com","action":"pay"}`), captcha.ErrInvalid},
		"no action":                   {says(200, `{"success":true,"hostname":"app.example.com"}`), captcha.ErrInvalid},
		"used or too old":             {says(200, `{"success":false,"error-codes":["timeout-or-duplicate"]}`), captcha.ErrInvalid},
		"used, as hCaptcha says it":   {says(200, `{"success":false,"error-codes":["invalid-or-already-seen-response"]}`), captcha.ErrInvalid},
		"no token of this vendor":     {says(400, `{"success":false,"error-codes":["invalid-input-response"]}`), captcha.ErrInvalid},
		"success with a 4xx":          {says(403, `{"success":true,"hostname":"app.example.com","action":"signIn"}`), captcha.ErrInvalid},
		"our secret is wrong":         {says(200, `{"success":false,"error-codes":["invalid-input-secret"]}`), captcha.ErrAway},
		"our site key is wrong":       {says(200, `{"success":false,"error-codes":["sitekey-secret-mismatch"]}`), captcha.ErrAway},
		"its own defect":              {says(200, `{"success":false,"error-codes":["internal-error"]}`), captcha.ErrAway},
		"no verdict":                  {says(200, `{}`), captcha.ErrAway},
		"success in words":            {says(200, `{"success":"true"}`), captcha.ErrAway},
		"no JSON":                     {says(200, `<html>true</html>`), captcha.ErrAway},
		"nothing":                     {says(200, ``), captcha.ErrAway},
		"a redirect":                  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) }, captcha.ErrAway},
		"500 with success":            {says(500, `{"success":true,"hostname":"app.example.com","action":"signIn"}`), captcha.ErrAway},
		"a huge body":                 {says(200, `{"success":true,"hostname":"app.example.com","action":"signIn","pad":"`+strings.Repeat("x", 1<<20)+`"}`), captcha.ErrAway},
		"cut":                         {cuts, captcha.ErrAway},
		"slow":                        {hangs, captcha.ErrAway},
		"slow within its body":        {drips, captcha.ErrAway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, endpoint, captcha.Turnstile)
			f.config.Hostnames = []string{"www.example.com", "app.example.com"}
			f.vendor.answer = tt.answer
			err := f.verify("token")
			if (err == nil) != (tt.want == nil) || err != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if errors.Is(err, captcha.ErrAway) && fault.Of(err).RetryAfter <= 0 {
				t.Error("it does not say when to try again")
			}
		})
	}
}

// Without a secret, with a refused one, without the vendor and without the table
// every token is refused.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	endpoint := testkit.DynamoDBEndpoint(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, change := range map[string]func(*fixture){
		"no secret":      func(f *fixture) { f.config.Secret = "" },
		"a wrong secret": func(f *fixture) { f.config.Secret = "wrong" },
		"no vendor":      func(f *fixture) { f.config.Endpoint = gone.URL },
		"no address":     func(f *fixture) { f.config.Endpoint = "://" },
		"no table": func(f *fixture) {
			f.table = dynamo.NewTable(testkit.DynamoDBThrough(t, endpoint, func(string, string) bool { return true }), "used", "id")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, endpoint, captcha.Turnstile)
			change(f)
			if err := f.verify("token"); !errors.Is(err, captcha.ErrAway) {
				t.Errorf("%v", err)
			}
			if name == "no secret" && f.vendor.asked.Load() > 0 {
				t.Error("the vendor was asked")
			}
		})
	}
	if err := (*captcha.Verifier)(nil).Verify(t.Context(), "token", viewer, ""); !errors.Is(err, captcha.ErrAway) {
		t.Errorf("no verifier: %v", err)
	}
}

// A token that no vendor gives is refused without asking the vendor, and the
// caller's end of a request ends the call.
func TestCheapRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.DynamoDBEndpoint(t), captcha.Turnstile)
	for name, token := range map[string]string{
		"none": "", "too long": strings.Repeat("x", captcha.MaxToken+1), "a line": "a\nb", "a space": "a b", "no ASCII": "ä", "a zero": "a\x00",
	} {
		if err := f.verify(token); !errors.Is(err, captcha.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := f.vendor.asked.Load(); n > 0 {
		t.Errorf("the vendor was asked %d times", n)
	}
	if err := f.verify(strings.Repeat("x", captcha.MaxToken)); err != nil {
		t.Errorf("the longest token: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.vendor.answer = func(w http.ResponseWriter, r *http.Request) {
		cancel()
		hangs(w, r)
	}
	if err := f.verifier().Verify(ctx, "token", viewer, ""); !errors.Is(err, captcha.ErrAway) || !errors.Is(err, context.Canceled) {
		t.Errorf("ended by the caller: %v", err)
	}
}

// No error contains the token or the secret.
func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.DynamoDBEndpoint(t), captcha.Turnstile)
	for _, answer := range []func(http.ResponseWriter, *http.Request){
		cuts, says(500, "x"), says(200, `{"success":false,"error-codes":["`+strings.Repeat("x", 5000)+`"]}`), nil, nil,
	} {
		f.vendor.answer = answer
		var text bytes.Buffer
		_, _ = fmt.Fprintf(&text, "%v %+v", f.verify("the-token"), fault.Of(f.verify("the-token")))
		if s := text.String(); strings.Contains(s, "the-token") || strings.Contains(s, secret) || len(s) > 2000 {
			t.Errorf("%.300s", s)
		}
	}
}
