package lambdahost

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"portico/shared/testkit"
)

// A function does not start without its sealing secret, or with one that is
// publicly known.
func TestSealingSecret(t *testing.T) {
	for name, tt := range map[string]struct{ stored, want string }{
		"drawn":           {`{"current":"1","1":"` + rand.Text() + rand.Text() + `"}`, ""},
		"a known default": {`{"current":"1","1":"` + strings.Repeat("changeme", 8) + `"}`, "known default"},
		"one character":   {`{"current":"1","1":"` + strings.Repeat("a", 64) + `"}`, "different characters"},
		"too short":       {`{"current":"1","1":"` + rand.Text() + `"}`, "at least 43"},
		"empty":           {``, "not a JSON object"},
		"missing":         {"-", "SEALING_SECRET"},
	} {
		t.Run(name, func(t *testing.T) {
			manager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.stored == "-" {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = fmt.Fprint(w, `{"__type":"ResourceNotFoundException","message":"no such secret"}`)
					return
				}
				_, _ = fmt.Fprintf(w, `{"SecretString":%q}`, tt.stored)
			}))
			defer manager.Close()
			h := &Host{AWS: testkit.AWS(manager.URL)}
			_, err := h.Box(SealingEnv{Secret: "sealing"})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// After a rotation of the keys, a warm environment can open a value that a new
// one sealed.
func TestSealingKeysAreReadAgain(t *testing.T) {
	first, second := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	var stored atomic.Value
	manager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"SecretString":%q}`, stored.Load())
	}))
	defer manager.Close()
	h := &Host{AWS: testkit.AWS(manager.URL)}
	stored.Store(fmt.Sprintf(`{"current":"1","1":%q}`, first))
	warm, err := h.Box(SealingEnv{Secret: "sealing"})
	if err != nil {
		t.Fatal(err)
	}
	stored.Store(fmt.Sprintf(`{"current":"2","1":%q,"2":%q}`, first, second))
	fresh, err := h.Box(SealingEnv{Secret: "sealing"})
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := warm.Open(fresh.Seal([]byte("plain"), "context"), "context"); err != nil || string(plain) != "plain" {
		t.Errorf("the warm environment opened %q, %v", plain, err)
	}
}
