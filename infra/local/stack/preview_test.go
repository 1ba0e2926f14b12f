package stack

import "testing"

// The database of `make up` asks for no password, and pg would ask AWS for one.
func TestWithPassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://postgres@127.0.0.1:54329/portico?sslmode=disable": "postgres://postgres:trusted@127.0.0.1:54329/portico?sslmode=disable",
		"postgres://ada:secret@db.example.com/portico":                "postgres://ada:secret@db.example.com/portico",
	} {
		if got := withPassword(url); got != want {
			t.Errorf("%s becomes %s", url, got)
		}
	}
}
