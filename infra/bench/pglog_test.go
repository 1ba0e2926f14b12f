package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The words by which the bench recognises a statement are in the code, so a changed
// statement is not missed after half an hour of measuring.
func TestStatementsAreInTheCode(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	for _, folder := range []string{"webhook", "webhook/dispatching", "event"} {
		files, err := filepath.Glob("../../shared/" + folder + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(folder, err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
	}
	for _, s := range statements {
		if !strings.Contains(code.String(), s.words) {
			t.Errorf("no statement of shared/webhook or shared/event contains %q: correct %q in pglog.go", s.words, s.name)
		}
	}
}
