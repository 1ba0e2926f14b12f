package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The committed pages are those of the sources.
func TestPagesAreGenerated(t *testing.T) {
	to := t.TempDir()
	if err := generate(os.DirFS("../../"+folder), to); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read(t, "../../"+folder+"/inlined"), read(t, to)); diff != "" {
		t.Errorf("run make generate (-committed +of the sources):\n%s", diff)
	}
}

func read(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(folder + "/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages in %s (%v)", folder, err)
	}
	pages := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.Base(file)] = string(text)
	}
	return pages
}
