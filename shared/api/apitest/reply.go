package api_test

import (
	"encoding/json"
	"net/http"
	"portico/shared/fault"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	body   string
}

// get returns a member of a JSON reply by its dotted path, as compact JSON.
func (r reply) get(t *testing.T, path string) string {
	t.Helper()
	raw := json.RawMessage(r.body)
	for _, name := range strings.Split(path, ".") {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil {
			t.Fatalf("%s of %s: %v", path, r.body, err)
		}
		raw = object[name]
	}
	return strings.Trim(string(raw), `"`)
}

// decode reads a JSON reply.
func (r reply) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
}

// locations returns where a problem finds faults, sorted.
func (r reply) locations(t *testing.T) []string {
	t.Helper()
	var problem struct{ Errors []fault.Field }
	if err := json.Unmarshal([]byte(r.body), &problem); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range problem.Errors {
		list = append(list, f.Location)
	}
	slices.Sort(list)
	return list
}

// want compares a reply with `<status> <part of the body> …`; a part that
// starts with ! must be absent.
func want(t *testing.T, r reply, want string) {
	t.Helper()
	status, parts, _ := strings.Cut(want, " ")
	if status != strconv.Itoa(r.status) {
		t.Errorf("got %d %s, want %s", r.status, r.body, want)
		return
	}
	for _, part := range strings.Fields(parts) {
		absent := strings.HasPrefix(part, "!")
		if strings.Contains(r.body, strings.TrimPrefix(part, "!")) == absent {
			t.Errorf("got %d %s, want %s", r.status, r.body, want)
		}
	}
}
