package command

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripe "github.com/stripe/stripe-go/v76/webhook"

	"portico/infra/portico/listen"
	"portico/shared/testkit"
)

// buffer can be read while a command writes it.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// listening is a listen that runs.
type listening struct {
	out, err *buffer
	cancel   func()     // Ctrl-C
	end      func() int // Ctrl-C; returns the exit code
}

// start runs listen. dir keeps secrets from one run to the next.
func (s *stream) start(t *testing.T, dir string, args ...string) *listening {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l, code := &listening{cancel: cancel, out: &buffer{}, err: &buffer{}}, make(chan int, 1)
	go func() {
		code <- Run(ctx, append([]string{"listen"}, args...), Console{
			In: strings.NewReader(""), Out: l.out, Err: l.err, ConfigDir: dir,
			Getenv: func(name string) string { return map[string]string{"PORTICO_URL": s.URL, "PORTICO_KEY": "ptc_1"}[name] },
			Wait:   func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		})
	}()
	l.end = sync.OnceValue(func() int { cancel(); return <-code })
	t.Cleanup(func() { l.end() })
	return l
}

// awaits returns once an event is done, or fails.
func (s *stream) awaits(t *testing.T, l *listening) {
	t.Helper()
	select {
	case <-s.changed:
	case <-time.After(time.Minute):
		t.Fatalf("no event was acknowledged: %s%s", l.out, l.err)
	}
}

var (
	sessionSecret = regexp.MustCompile(`session is (whsec_\S+)`)
	exchangeLine  = regexp.MustCompile(`^\d\d:\d\d:\d\d  invoice\.paid  evt_1  200  +\d+ ms\n$`)
)

// An event reaches the program byte for byte, with a signature by the secret that is
// printed; it is acknowledged, and Ctrl-C deletes the temporary consumer.
func TestListen(t *testing.T) {
	t.Parallel()
	body := `{"id":"evt_1","type":"invoice.paid","data":{"big":123456789012345678901234567890,"html":"<b>&","lone":"\ud800"}}`
	s, p := newStream(t), newProgram(t, nil)
	s.publish("evt_1", body)
	l := s.start(t, t.TempDir(), "--forward", p.URL+"/webhooks", "--types", "invoice.*")
	s.awaits(t, l)
	if code := l.end(); code != 0 || len(s.consumers) != 0 || !strings.Contains(l.err.String(), "Deleted the temporary consumer") {
		t.Errorf("exit code %d with consumers %v: %s", code, s.consumers, l.err)
	}
	got := p.requests()
	if len(got) != 1 || got[0].body != body || got[0].header.Get("Webhook-Id") != "evt_1" || got[0].header.Get("Content-Type") != "application/json" {
		t.Fatalf("%+v", got)
	}
	secret := sessionSecret.FindStringSubmatch(l.err.String())
	if secret == nil {
		t.Fatal(l.err)
	}
	if err := stripe.ValidatePayload([]byte(got[0].body), got[0].header.Get("Webhook-Signature"), secret[1]); err != nil {
		t.Errorf("Stripe's verifier: %v", err)
	}
	if !exchangeLine.MatchString(l.out.String()) {
		t.Errorf("%q", l.out)
	}
}

// With the scheme standard and a secret of one's own, the library of Standard Webhooks
// accepts the signature, and the secret is not printed.
func TestListenStandard(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	s, p := newStream(t), newProgram(t, nil)
	s.publish("evt_1", `{"id":"evt_1"}`)
	l := s.start(t, t.TempDir(), "--forward", p.URL, "--signature-scheme", "standard", "--secret", secret, "--json")
	s.awaits(t, l)
	l.end()
	verifier, err := standard.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	got := p.requests()[0]
	if err := verifier.Verify([]byte(got.body), got.header); err != nil {
		t.Errorf("the library: %v", err)
	}
	var e listen.Exchange
	if err := json.Unmarshal([]byte(l.out.String()), &e); err != nil || e.Status != 200 || e.EventID != "evt_1" || !e.Acknowledged {
		t.Errorf("%s: %v", l.out, err)
	}
	if strings.Contains(l.err.String(), secret) {
		t.Errorf("the secret is printed: %s", l.err)
	}
}

// What the program does not answer with 2xx comes again, or with --once is taken off
// the stream.
func TestListenAgain(t *testing.T) {
	t.Parallel()
	redirect := func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		}
	}
	fail := func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
	hangUp := func(n int, _ http.ResponseWriter) {
		if n == 1 {
			panic(http.ErrAbortHandler)
		}
	}
	for _, c := range []struct {
		name     string
		answer   func(int, http.ResponseWriter)
		flags    []string
		requests int
		part     string
	}{
		{"500", fail, nil, 2, "500"},
		{"a redirect is not followed", redirect, nil, 2, "302"},
		{"no answer", hangUp, nil, 2, "failed     0 ms  EOF  comes again (try 1)"},
		{"500 once", fail, []string{"--once"}, 1, "500"},
		{"no answer once", hangUp, []string{"--once"}, 1, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, p := newStream(t), newProgram(t, c.answer)
			s.publish("evt_1", `{}`)
			l := s.start(t, t.TempDir(), append([]string{"--forward", p.URL}, c.flags...)...)
			s.awaits(t, l)
			l.end()
			out := regexp.MustCompile(` +\d+ ms`).ReplaceAllString(l.out.String(), "     0 ms")
			if n := len(p.requests()); n != c.requests || !strings.Contains(out, c.part) || strings.Count(out, "\n") != c.requests {
				t.Errorf("%d requests: %s", n, out)
			}
		})
	}
}

// What does not have the API's signature is neither forwarded nor acknowledged.
func TestListenForged(t *testing.T) {
	t.Parallel()
	s, p := newStream(t), newProgram(t, nil)
	s.forged = true
	s.publish("evt_1", `{}`)
	l := s.start(t, t.TempDir(), "--forward", p.URL)
	testkit.Await(t, "the warning", func() bool { return strings.Contains(l.out.String(), "the signature is not valid") })
	l.end()
	if len(p.requests()) != 0 || len(s.done) != 0 {
		t.Errorf("forwarded: %v, done: %v", p.requests(), s.done)
	}
}

// listen outlives an API that restarts, and says so once.
func TestListenOutlivesTheAPI(t *testing.T) {
	t.Parallel()
	s, p := newStream(t), newProgram(t, nil)
	s.failing = []int{503, 0, 502, 429}
	s.publish("evt_1", `{}`)
	l := s.start(t, t.TempDir(), "--forward", p.URL)
	s.awaits(t, l)
	s.publish("evt_2", `{}`)
	s.awaits(t, l)
	l.end()
	text := l.err.String()
	if strings.Count(text, "Trying again until it answers.") != 1 || strings.Count(text, "The API answers again.") != 1 {
		t.Error(text)
	}
}

// An event whose acknowledgement failed comes again, and is not forwarded twice.
func TestListenForwardsOnce(t *testing.T) {
	t.Parallel()
	s, p := newStream(t), newProgram(t, nil)
	s.acks = []int{503, 503}
	s.publish("evt_1", `{}`)
	l := s.start(t, t.TempDir(), "--forward", p.URL, "--retries", "1")
	s.awaits(t, l)
	l.end()
	if n := len(p.requests()); n != 1 || !slices.Equal(s.done, []string{"evt_1"}) {
		t.Errorf("forwarded %d times, done %v: %s", n, s.done, l.err)
	}
}

// An exchange that has begun is completed after Ctrl-C.
func TestListenEndsWithTheExchange(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	s, p := newStream(t), newProgram(t, func(int, http.ResponseWriter) { close(begun); <-release })
	s.publish("evt_1", `{}`)
	s.publish("evt_2", `{}`)
	l := s.start(t, t.TempDir(), "--forward", p.URL)
	<-begun
	l.cancel()
	close(release)
	if code := l.end(); code != 0 || !slices.Equal(s.done, []string{"evt_1"}) || len(p.requests()) != 1 {
		t.Errorf("exit code %d, done %v: %s", code, s.done, l.err)
	}
}

// listen ends with the API's sentence if the consumer is deleted meanwhile.
func TestListenWithoutConsumer(t *testing.T) {
	t.Parallel()
	s, p := newStream(t), newProgram(t, nil)
	s.publish("evt_1", `{}`)
	l := s.start(t, t.TempDir(), "--forward", p.URL)
	s.awaits(t, l)
	s.mu.Lock()
	clear(s.consumers)
	s.mu.Unlock()
	testkit.Await(t, "the error", func() bool {
		return strings.Contains(l.err.String(), "portico: There is no event consumer with this name.")
	})
	if code := l.end(); code != 1 {
		t.Errorf("exit code %d: %s", code, l.err)
	}
}

// A lasting consumer is created once and stays; its secret is kept on this machine, for
// its owner only.
func TestListenLasting(t *testing.T) {
	t.Parallel()
	s, p, dir := newStream(t), newProgram(t, nil), t.TempDir()
	for _, event := range []string{"evt_1", "evt_2"} {
		s.publish(event, `{}`)
		l := s.start(t, dir, "--forward", p.URL, "--consumer", "ada", "--types", "invoice.*")
		s.awaits(t, l)
		if code := l.end(); code != 0 || len(s.consumers) != 1 {
			t.Fatalf("exit code %d, consumers %v: %s", code, s.consumers, l.err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "portico", "consumers.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, c := range []struct {
		name, part string
		args       []string
	}{
		{"another machine", "the secret of the consumer ada is not known here", nil},
		{"other types", "reads other events (invoice.*)", []string{"--types", "customer.*"}},
	} {
		l := s.start(t, t.TempDir(), append([]string{"--forward", p.URL, "--consumer", "ada"}, c.args...)...)
		testkit.Await(t, "the hint", func() bool { return strings.Contains(l.err.String(), "--help") })
		if code := l.end(); code != 2 || !strings.Contains(l.err.String(), c.part) {
			t.Errorf("%s: exit code %d: %s", c.name, code, l.err)
		}
	}
	s.publish("evt_3", `{}`)
	l := s.start(t, t.TempDir(), "--forward", p.URL, "--consumer", "ada", "--rotate-secret")
	s.awaits(t, l)
	if code := l.end(); code != 0 || len(p.requests()) != 3 {
		t.Errorf("exit code %d after %d requests: %s", code, len(p.requests()), l.err)
	}
}
