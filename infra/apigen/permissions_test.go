package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The documented matrix matches the code.
func TestPermissionsAreCurrent(t *testing.T) {
	got, err := os.ReadFile("../../docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(renderPermissions())); diff != "" {
		t.Errorf("docs/permissions.md is not current, run \"make generate\" (-document +code):\n%s", diff)
	}
}
