package command

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const exportedText = "{}\n{}\n"

// exportOf is an export as the API shows it.
func exportOf(status, more string) string {
	return `200 {"id":"aex_1","format":"ndjson","filtered":false,"status":"` + status + `","problem":null,"total_count":2,"examined_count":1,"entry_count":2,"size":6,"first_number":1,` + more + `}`
}

// files serves the file of an export: each answer once, the last one again and again.
func files(t *testing.T, answers ...http.HandlerFunc) (link string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Authorization"]) > 0 {
			t.Error("the key was sent to the server of the file")
		}
		answer := answers[0]
		answers = answers[min(1, len(answers)-1):]
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return `"head":{"number":2,"hash":"ab"},"url":"` + server.URL + `/file?signature=s3cret"`
}

func giving(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}

// cutOff ends the connection after a part of the file.
func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "6")
	fmt.Fprint(w, "{}")
}

const (
	startExport = "POST /v1/audit-exports"
	readExport  = "GET /v1/audit-exports/aex_1"
)

// export downloads the file whatever goes wrong for a while, under its name only as a
// whole, and says how to verify it.
func TestExport(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, more string
		args       []string
		code       int
		file, want string // of the file; in the output
	}{
		{"at once", files(t, giving(200, exportedText)), nil, 0, exportedText, "The file has 2 entries, 6 bytes.|portico audit verify FILE --head 2:ab"},
		{"an expired link", files(t, giving(403, "<Error>"), giving(200, exportedText)), nil, 0, exportedText, "does not work any more: trying again"},
		{"a file that is cut off", files(t, cutOff, giving(503, ""), giving(200, exportedText)), nil, 0, exportedText, "not arrived as a whole: trying again|answered 503"},
		{"always cut off", files(t, cutOff), nil, 1, "", "--id aex_1"},
		{"a file that is too long", files(t, giving(200, exportedText+"{}")), []string{"--retries", "0"}, 1, "", "not arrived as a whole"},
		{"cut off on its way to stdout", files(t, cutOff), []string{"--output", "-"}, 1, "", "broke off after 2 of 6 bytes"},
		{"as JSON", files(t, giving(200, exportedText)), []string{"--json"}, 0, exportedText, `{"id":"aex_1"`},
		{"a deleted file", `"head":null,"url":null`, nil, 1, "", "the file was deleted, two days after"},
		{"as JSON to stdout", "", []string{"--json", "--output", "-"}, 2, "", "both use the standard output"},
		{"with conditions of another", "", []string{"--id", "aex_1", "--q", "x"}, 2, "", "give no format and no conditions"},
		{"without a file", "", []string{"--output", ""}, 2, "", "give --output"},
		{"a folder that is not there", "", []string{"--output", "/nowhere/x"}, 1, "", "/nowhere is not a folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "audit.ndjson")
			a := newAPI(t, map[string]string{startExport: "201" + exportOf("running", `"url":null`)[3:], readExport: exportOf("succeeded", tt.more)})
			r := a.run(t, "", append([]string{"audit", "export", "--output", file}, tt.args...)...)
			got, _ := os.ReadFile(file)
			if r.code != tt.code || string(got) != tt.file || strings.Contains(r.err, "s3cret") {
				t.Errorf("%+v with %q", r, got)
			}
			for part := range strings.SplitSeq(strings.ReplaceAll(tt.want, "FILE", file), "|") {
				if !strings.Contains(r.out+r.err, part) {
					t.Errorf("%+v has no %q", r, part)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// The conditions are those of the list, and the format is ndjson if it is not chosen.
func TestExportConditions(t *testing.T) {
	t.Parallel()
	link := files(t, giving(200, exportedText))
	for args, want := range map[string]string{
		"":                                     `{"format":"ndjson"}`,
		"--format csv --q ada --action role.*": `{"format":"csv","q":"ada","action":"role.*"}`,
		"--since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z --category security --outcome failure --actor key_1 --target we_1 --request r": `{"format":"ndjson","category":"security","outcome":"failure","actor_id":"key_1","target_id":"we_1","request_id":"r","since":"2026-11-01T00:00:00Z","until":"2026-12-01T00:00:00Z"}`,
	} {
		a := newAPI(t, map[string]string{startExport: "201" + exportOf("succeeded", link)[3:]})
		r := a.run(t, "", append([]string{"audit", "export", "--output", "-"}, strings.Fields(args)...)...)
		if r.code != 0 || r.out != exportedText || len(a.seen) != 1 || a.seen[0].body != want || a.seen[0].key == "" {
			t.Errorf("%s: %+v after %+v", args, r, a.seen)
		}
	}
}

// A file that exists is replaced only with --force, and nothing is started before that
// is known.
func TestExportReplaces(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.ndjson")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := newAPI(t, map[string]string{startExport: "201" + exportOf("succeeded", files(t, giving(200, exportedText)))[3:]})
	r := a.run(t, "", "audit", "export", "--output", file)
	if got, _ := os.ReadFile(file); r.code != 1 || string(got) != "mine" || len(a.seen) > 0 || !strings.Contains(r.err, "--force") {
		t.Errorf("%+v, %q", r, got)
	}
	r = a.run(t, "", "audit", "export", "--output", file, "--force")
	if got, _ := os.ReadFile(file); r.code != 0 || string(got) != exportedText {
		t.Errorf("%+v, %q", r, got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the file: %v, %v", info.Mode(), err)
	}
}

// An export that has no file says what to do.
func TestExportWithoutFile(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]string{"cancelled": "was cancelled, so there is no file: start another", "stalled": "failed for good (stalled)"} {
		a := newAPI(t, map[string]string{readExport: exportOf(status, `"url":null`)})
		r := a.run(t, "", "audit", "export", "--id", "aex_1", "--output", filepath.Join(t.TempDir(), "x"))
		if r.code != 1 || !strings.Contains(r.err, want) || strings.Contains(r.err, "To fetch") {
			t.Errorf("%+v, want %q", r, want)
		}
	}
}

// After Ctrl-C the export goes on, and its id is told.
func TestExportInterrupted(t *testing.T) {
	t.Parallel()
	a := newAPI(t, map[string]string{startExport: "201" + exportOf("running", `"url":null`)[3:], readExport: exportOf("running", `"url":null`)})
	var out, errs bytes.Buffer
	ctx, interrupt := context.WithCancel(t.Context())
	var waits []time.Duration
	code := Run(ctx, []string{"audit", "export", "--output", filepath.Join(t.TempDir(), "x")}, Console{
		In: strings.NewReader(""), Out: &out, Err: &errs, ConfigDir: t.TempDir(),
		Getenv: func(name string) string { return map[string]string{"PORTICO_URL": a.url, "PORTICO_KEY": "ptc_1"}[name] },
		Wait: func(_ context.Context, d time.Duration) error {
			if waits = append(waits, d); len(waits) == 6 {
				interrupt()
			}
			return ctx.Err()
		},
	})
	if code != exitInterrupted || !strings.Contains(errs.String(), "portico audit export --id aex_1 --output ") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if want := "[1s 2s 4s 8s 15s 15s]"; fmt.Sprint(waits) != want {
		t.Errorf("waits %v, want %s", waits, want)
	}
}
