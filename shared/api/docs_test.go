package api_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"portico/shared/api"
	"portico/shared/api/edge"
	"portico/shared/api/reference"
	"portico/shared/api/system"
	"portico/shared/observe"
	"portico/shared/testkit"
)

// systemHandler serves the operations that need no store.
func systemHandler(t *testing.T) http.Handler {
	t.Helper()
	server := &edge.Server{Log: observe.NewLog(&testkit.Log{}, "test")}
	handler, err := server.Handler(system.Operations(reference.New)...)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// fetch requests a page as a browser does.
func fetch(t *testing.T, handler http.Handler, path string) (header http.Header, body string) {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept-Encoding", "gzip, br")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("%s: %d %v", path, w.Code, w.Header())
	}
	if w.Header().Get("Content-Encoding") != "gzip" {
		return w.Header(), w.Body.String()
	}
	reader, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return w.Header(), string(text)
}

var (
	linked = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	// A deployed page must not link to the machine that serves it.
	ownMachine = regexp.MustCompile(`^[a-z]+://([^/]*\.)?(localhost|127\.[0-9.]+|\[::1\]|0\.0\.0\.0)([:/?#]|$)`)
	outside    = regexp.MustCompile(`(?i)src="(https?:)?//|<link[^>]*href="(https?:)?//|url\(|@import|<script>|<style|\son[a-z]+=| style=`)
)

// Every page loads from its own origin only, obeys its policy, and links only to
// pages and headings that exist, also when it is deployed.
func TestDocumentationPages(t *testing.T) {
	t.Parallel()
	handler := systemHandler(t)
	pages, bodies := []string{"/docs"}, map[string]string{}
	for len(pages) > 0 {
		page := pages[0]
		pages = pages[1:]
		if bodies[page] != "" {
			continue
		}
		header, body := fetch(t, handler, page)
		bodies[page] = body
		if !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
			continue
		}
		if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'; script-src 'self';") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s has the policy %s", page, policy)
		}
		if found := outside.FindString(body); found != "" {
			t.Errorf("%s loads from another origin or violates its policy: %s", page, found)
		}
		if strings.Contains(body, "make invoke") {
			t.Errorf("%s has commands for those who run Portico: move them to docs/operating.md", page)
		}
		for _, link := range linked.FindAllStringSubmatch(body, -1) {
			if to, _, _ := strings.Cut(link[1], "#"); strings.HasPrefix(to, "/docs") {
				pages = append(pages, to)
			}
		}
	}
	for page, body := range bodies {
		for _, link := range linked.FindAllStringSubmatch(body, -1) {
			if ownMachine.MatchString(link[1]) {
				t.Errorf("%s links to %s, which exists only on a laptop", page, link[1])
			}
			to, place, _ := strings.Cut(link[1], "#")
			if to == "" {
				to = page
			}
			if target, ours := bodies[to]; ours && place != "" && !strings.Contains(target, `id="`+place+`"`) {
				t.Errorf("%s links to %s, which does not exist", page, link[1])
			}
		}
	}
	for _, page := range []string{"/docs/receiving-webhooks", "/docs/errors", "/docs/endpoints", "/docs/organizations", "/docs/permissions"} {
		if bodies[page] == "" {
			t.Errorf("nothing links to %s", page)
		}
	}
}

// Without script the reference lists every operation and every field, including
// nested ones.
func TestReferenceWithoutScript(t *testing.T) {
	t.Parallel()
	_, page := fetch(t, systemHandler(t), "/docs")
	_, list, _ := strings.Cut(page, "<noscript>")
	for _, o := range api.All() {
		if !strings.Contains(list, `id="`+o.Meta().ID+`"`) {
			t.Errorf("%s is not listed", o.Meta().ID)
		}
	}
	for _, want := range []string{
		"<code>client_certificate.private_key</code>", "<code>events[].ordering_key</code>", "1 to 30<", "one of &#34;portico&#34;, &#34;standard&#34;",
	} {
		if !strings.Contains(list, want) {
			t.Errorf("the list does not show %s", want)
		}
	}
}

// The renderer is the recorded version, fits into a reply of Lambda, and may be
// cached for ever.
func TestRendererIsTheRecordedOne(t *testing.T) {
	t.Parallel()
	handler := systemHandler(t)
	_, page := fetch(t, handler, "/docs")
	name := regexp.MustCompile(`/docs/scalar-[0-9a-f]{16}\.js`).FindString(page)
	header, script := fetch(t, handler, name)
	if header.Get("Content-Encoding") != "gzip" || !strings.Contains(header.Get("Cache-Control"), "immutable") {
		t.Errorf("the renderer is served with %v", header)
	}
	sum := sha256.Sum256([]byte(script))
	record, err := os.ReadFile("reference/assets/scalar.txt")
	if err != nil || !strings.Contains(string(record), "sha256 "+hex.EncodeToString(sum[:])+"\n") {
		t.Errorf("the renderer has the sum %x; recorded is\n%s%v", sum, record, err)
	}
	packed, err := os.ReadFile("reference/assets/scalar.js.gz")
	if most := 6 << 20; err != nil || len(packed)*4/3 > most {
		t.Errorf("the renderer is %d bytes: %v", len(packed), err)
	}
}

// A client that cannot unpack gzip gets the page uncompressed. A name without a
// page is a 404.
func TestDocumentationForAnyClient(t *testing.T) {
	t.Parallel()
	handler := systemHandler(t)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	if w := get("/docs/errors"); !bytes.Contains(w.Body.Bytes(), []byte("<h1")) || w.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	for _, path := range []string{"/docs/nothing", "/docs/scalar-0000000000000000.js", "/docs/..%2fscalar.txt"} {
		if w := get(path); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `"no_such_route"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
