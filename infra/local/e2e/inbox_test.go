package e2e

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"portico/shared/testkit"
)

// readme returns the README's commands that need a key.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "```sh\n") {
		if strings.HasPrefix(block, "curl ") {
			block, _, _ = strings.Cut(block, "```")
			return block
		}
	}
	t.Fatal("the README has no example")
	return ""
}

// The README's commands work as they are printed: the event reaches the inbox,
// which shows it with its headers and a valid signature.
func TestReadmeIsDelivered(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, shared)
	shell := exec.CommandContext(t.Context(), "bash", "-ec", readme(t))
	shell.Env = append(os.Environ(), "PORTICO_URL="+shared.URL, "PORTICO_KEY="+c.Key)
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`"secret":"whsec_`, `"type":"invoice.paid"`, `"key":"ptc_`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %s in the replies\n%s", want, out)
		}
	}
	page := ""
	testkit.Await(t, "the event on the inbox's page", func() bool {
		resp, err := http.Get(shared.InboxURL())
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		page = string(text)
		return err == nil && strings.Contains(page, "invoice.paid</b>")
	})
	for _, want := range []string{"signature verified", "Webhook-Signature", "Webhook-Id", "&#34;total&#34;: 1.10"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page shows no %s:\n%s", want, page)
		}
	}
	if strings.Contains(page, "not verified") {
		t.Errorf("a signature is not verified:\n%s", page)
	}
}
