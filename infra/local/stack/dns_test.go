package stack_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"portico/shared/testkit"
)

// The functions ask a name server of the stack, which has the records that somebody sets.
func TestDNS(t *testing.T) {
	var env map[string]string
	testkit.Must(t, json.Unmarshal([]byte(get(t, shared, "/env", "PORTICO_NAME_SERVER")), &env))
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", env["PORTICO_NAME_SERVER"])
	}}
	set := func(name, value string) int {
		w, err := http.PostForm(shared.URL+"/_local/dns", url.Values{"name": {name}, "value": {value}})
		testkit.Must(t, err)
		testkit.Must(t, w.Body.Close())
		return w.StatusCode
	}
	if status := set("_portico.Acme.example.com.", "one"); status != http.StatusNoContent {
		t.Errorf("set: %d", status)
	}
	if texts, err := resolver.LookupTXT(t.Context(), "_portico.acme.example.com."); !slices.Equal(texts, []string{"one"}) {
		t.Errorf("%q, %v", texts, err)
	}
	if _, page := call(t, "GET", shared.URL+"/_local/"); !strings.Contains(page, "<td>_portico.acme.example.com<td>one") {
		t.Error("the page does not show the record")
	}
	set("_portico.acme.example.com", "")
	if texts, err := resolver.LookupTXT(t.Context(), "_portico.acme.example.com."); err == nil {
		t.Errorf("%q after it was removed", texts)
	}
	for _, name := range []string{"", strings.Repeat("a", 300)} {
		if status := set(name, "one"); status != http.StatusBadRequest {
			t.Errorf("name %.10q: %d", name, status)
		}
	}
}
