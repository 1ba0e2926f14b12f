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

	"portico/shared/audit/record"
	"portico/shared/id"
	"portico/shared/jsontext"
)

// hostile tries to control the terminal, and to look like another line.
const hostile = `Eve\u001b[31m\r\n2026 role.delete\u202e\u009b`

func auditEntry(n int) string {
	return fmt.Sprintf(`{"id":"aud_%d","created_at":"2026-11-22T10:00:%02d.000000Z","action":"role.update","outcome":"success","actor":{"type":"api_key","id":"key_1","name":"%s"},"targets":[{"type":"role","id":"role_%d"}]}`, n, n, hostile, n)
}

// tail prints the last entries and then each new one, once and in order, although an
// entry may be seen late; on one line each, whatever its texts are.
func TestTail(t *testing.T) {
	t.Parallel()
	replies := []string{
		`{"data":[` + auditEntry(2) + `,` + auditEntry(1) + `],"next":"x"}`,
		`{"data":[` + auditEntry(5) + `,` + auditEntry(4) + `],"next":"y"}`,
		`{"data":[` + auditEntry(2) + `],"next":null}`,
		`{"data":[` + auditEntry(5) + `,` + auditEntry(4) + `,` + auditEntry(3) + `,` + auditEntry(2) + `],"next":null}`,
	}
	for _, asJSON := range []bool{false, true} {
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.URL.RawQuery)
			fmt.Fprint(w, replies[len(asked)-1])
		}))
		t.Cleanup(server.Close)
		var out, errs bytes.Buffer
		args := []string{"audit", "tail", "--category", "security"}
		if asJSON {
			args = append(args, "--json")
		}
		code := Run(t.Context(), args, Console{
			In: strings.NewReader(""), Out: &out, Err: &errs, ConfigDir: t.TempDir(),
			Getenv: func(name string) string {
				return map[string]string{"PORTICO_URL": server.URL, "PORTICO_KEY": "ptc_1"}[name]
			},
			Wait: func(context.Context, time.Duration) error {
				if len(asked) == len(replies) {
					return context.Canceled
				}
				return nil
			},
		})
		var got []string
		for line := range strings.Lines(out.String()) {
			if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), jsontext.IsHidden) || strings.Contains(line, "\x1b") {
				t.Errorf("%q has characters that control the terminal", line)
			}
			got = append(got, line[strings.Index(line, "role_"):][:6])
		}
		if want := "[role_1 role_2 role_4 role_5 role_3]"; code != exitInterrupted || fmt.Sprint(got) != want {
			t.Errorf("exit code %d, %v, want %s\n%s", code, got, want, errs.String())
		}
		want := []string{
			"category=security&limit=10", "category=security&limit=100&since=2026-11-22T09%3A59%3A32Z",
			"after=y&category=security&limit=100&since=2026-11-22T09%3A59%3A32Z", "category=security&limit=100&since=2026-11-22T09%3A59%3A35Z",
		}
		if fmt.Sprint(asked) != fmt.Sprint(want) {
			t.Errorf("asked %v, want %v", asked, want)
		}
	}
}

// A file is verified without the API, and a fault is a sentence and an exit code.
func TestVerifyFile(t *testing.T) {
	t.Parallel()
	var text []byte
	var before record.Hash
	for n := range int64(3) {
		e := record.Entry{ID: id.New[id.AuditEntry](time.UnixMicro(n + 1)), Found: true, Action: "role.update", Targets: []byte(`[]`), CreatedAt: time.UnixMicro(n + 1)}
		l := record.Line{Org: id.Derive[id.Org]("acme"), Number: n + 1, Category: "security", Entry: e, Before: before}
		l.Hash = record.Link(l.Org, l.Number, before, e.Digest(l.Personal))
		before = l.Hash
		text = append(text, l.Encode()...)
	}
	head := fmt.Sprintf("3:%x", before)
	cut := string(text[:bytes.LastIndexByte(text[:len(text)-1], '\n')+1])
	for _, tt := range []struct {
		name, file string
		args       []string
		code       int
		want       string
	}{
		{"whole", string(text), nil, 0, "3 entries are as they were chained, with numbers from 1 to 3.\nThe last one is " + head},
		{"whole with its head", string(text), []string{"--head", head}, 0, "3 entries"},
		{"as JSON", string(text), []string{"--json"}, 0, `{"first":1,"last":3,"last_hash":"` + head[2:] + `","verified":3,"erased":3,"outside":0,"fault":null}`},
		{"empty", "", nil, 0, "no entries"},
		{"edited", strings.Replace(string(text), "role.update", "role.delete", 1), nil, 1, "entry 1 was edited"},
		{"edited, as JSON", strings.Replace(string(text), "role.update", "role.delete", 1), []string{"--json"}, 1, `"fault":{"kind":"edited","number":1}`},
		{"cut", cut, []string{"--head", head}, 1, "entry 3 is missing"},
		{"another head", string(text), []string{"--head", "3:" + strings.Repeat("0", 64)}, 1, "entry 3 does not have the hash of --head"},
		{"from later on", string(text), []string{"--from", "2"}, 1, "begins with entry 1"},
		{"begins later", string(text[bytes.IndexByte(text, '\n')+1:]), nil, 1, "begins with entry 2, so entries from 1 to 1 are missing. If the export says that its first_number is 2"},
		{"begins later, as it says", string(text[bytes.IndexByte(text, '\n')+1:]), []string{"--from", "2"}, 0, "numbers from 2 to 3"},
		{"a wrong head", string(text), []string{"--head", "3"}, 2, "--head"},
		{"a negative head", string(text), []string{"--head", "-1:" + head[2:]}, 2, "--head"},
		{"a wrong start", string(text), []string{"--from", "0"}, 2, "--from"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "audit.ndjson")
			if err := os.WriteFile(file, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{file, "-"} {
				r := run(t, tt.file, nil, append([]string{"audit", "verify", name}, tt.args...)...)
				if r.code != tt.code || !strings.Contains(r.out+r.err, tt.want) {
					t.Errorf("%+v, want %d %q", r, tt.code, tt.want)
				}
			}
		})
	}
	if r := run(t, "", nil, "audit", "verify", filepath.Join(t.TempDir(), "none")); r.code != 1 || !strings.Contains(r.err, "none") {
		t.Errorf("%+v", r)
	}
}
