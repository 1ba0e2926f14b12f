package lambdahost

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portico/shared/testkit"
)

// A function does not start without its sealing secret, nor with one that
// everybody knows.
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
			h := &host{aws: testkit.AWS(manager.URL)}
			_, err := h.box(context.Background(), sealingEnv{Secret: "sealing"})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
