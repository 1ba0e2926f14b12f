package doctest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/infra/local/stacktest"
)

// prelude lets a document's blocks run as they are printed. A reply of 4xx or
// 5xx ends them, make invoke uses the stack of the test, make cli is done, and other make
// commands fail, because they take long.
const prelude = `set -euo pipefail
curl() {
  local arg expects=--fail-with-body
  for arg; do case $arg in *%{http_code}*) expects=;; esac; done # a command that prints the status accepts any
  command curl $expects "$@"
}
make() {
  [ "$1" != cli ] || { command make -s cli; return; }
  [ "$1" = invoke ] || { echo "make $1 takes long: mark the block as sh long"; return 1; }
  local "${@:2}"
  cat "$EVENT" | command curl -s --fail-with-body --data-binary @- "$INVOKE/$FN"
}
export -f curl make
`

// Every shell block of README and docs runs as it is printed, the blocks of a
// document one after another. Blocks marked aws or docker (they need these) or
// long (they take minutes or do not end) are only parsed.
func TestShellBlocksRun(t *testing.T) {
	t.Parallel()
	invoke := invoker(t)
	byFile := map[string][]block{}
	for _, b := range blocks(t) {
		switch {
		case len(b.info) == 0 || b.info[0] != "sh":
			if len(b.info) == 0 || slices.Contains([]string{"bash", "shell", "console"}, b.info[0]) {
				t.Errorf("%s: name the language of the block: sh for shell", b)
			}
		case len(b.info) == 1:
			byFile[b.file] = append(byFile[b.file], b)
		case slices.Contains([]string{"aws", "docker", "long"}, b.info[1]):
			parses(t, b)
		default:
			t.Errorf("%s: the mark of the shell block is unknown: use aws, docker, long or none", b)
		}
	}
	if len(byFile) < 3 {
		t.Fatalf("only %d documents have shell blocks", len(byFile))
	}
	for file, blocks := range byFile {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			key := stacktest.NewCustomer(t, running).Key
			script := prelude
			for _, b := range blocks {
				script += fmt.Sprintf("echo; echo '# %s'\n%s\n", b, asPrinted(strings.Join(b.lines, "\n"), key))
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-c", script)
			cmd.Dir = root
			cmd.Env = append(os.Environ(), "PORTICO_KEY="+key, "INVOKE="+invoke)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// asPrinted inserts the addresses and the key, which make up prints.
func asPrinted(script, key string) string {
	script = strings.ReplaceAll(script, "http://127.0.0.1:8080", running.URL)
	script = strings.ReplaceAll(script, "http://localhost:8080", strings.TrimSuffix(running.SignInURL(), "/sign-in"))
	return strings.ReplaceAll(script, "=ptc_…", "="+key)
}

// invoker serves make invoke: a body that is posted to /<function> is its event.
func invoker(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(r.Body)
		var reply []byte
		if err == nil {
			reply, err = running.Invoke(r.Context(), path.Base(r.URL.Path), event)
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			reply = []byte(err.Error())
		}
		_, _ = w.Write(reply) // fails only if the client has gone
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func parses(t *testing.T, b block) {
	t.Helper()
	cmd := exec.Command("bash", "-n")
	cmd.Stdin = strings.NewReader(strings.Join(b.lines, "\n"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("%s is not valid shell: %s", b, &stderr)
	}
}
