package apitest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portico/shared/api/edge"
)

// Reply is an answer of the API.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Get returns a member of a JSON reply by its dotted path, as compact JSON. Items of
// lists have numbers, from 0.
func (r Reply) Get(t *testing.T, path string) string {
	t.Helper()
	raw := json.RawMessage(r.Body)
	for _, name := range strings.Split(path, ".") {
		if n, err := strconv.Atoi(name); err == nil {
			var list []json.RawMessage
			if err := json.Unmarshal(raw, &list); err != nil || n >= len(list) {
				t.Fatalf("%s of %s: %v", path, r.Body, err)
			}
			raw = list[n]
			continue
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil {
			t.Fatalf("%s of %s: %v", path, r.Body, err)
		}
		raw = object[name]
	}
	return strings.Trim(string(raw), `"`)
}

// Decode reads a JSON reply.
func (r Reply) Decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Body), v); err != nil {
		t.Fatalf("%s: %v", r.Body, err)
	}
}

// Locations returns the locations of a problem's errors, sorted.
func (r Reply) Locations(t *testing.T) []string {
	t.Helper()
	var problem struct{ Errors []edge.Field }
	if err := json.Unmarshal([]byte(r.Body), &problem); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range problem.Errors {
		list = append(list, f.Location)
	}
	slices.Sort(list)
	return list
}

// Want compares a reply with `<status> <part of the body> …`: each part must be
// in the body, and a part that starts with ! must not.
func Want(t *testing.T, r Reply, want string) {
	t.Helper()
	status, parts, _ := strings.Cut(want, " ")
	if status != strconv.Itoa(r.Status) {
		t.Errorf("got %d %s, want %s", r.Status, r.Body, want)
		return
	}
	for _, part := range strings.Fields(parts) {
		absent := strings.HasPrefix(part, "!")
		if strings.Contains(r.Body, strings.TrimPrefix(part, "!")) == absent {
			t.Errorf("got %d %s, want %s", r.Status, r.Body, want)
		}
	}
}
