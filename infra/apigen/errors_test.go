package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The table of codes in the documentation is what the code says.
func TestErrorsAreCurrent(t *testing.T) {
	got, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := renderErrors()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(want)); diff != "" {
		t.Errorf("docs/errors.md is not current, run \"make generate\" (-document +code):\n%s", diff)
	}
}
