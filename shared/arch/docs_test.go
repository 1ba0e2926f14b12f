package arch

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

var named = regexp.MustCompile("`(Test[A-Za-z]+)`")

// checklist lists the lines of the security checklist. docs/security.md must name
// each of them.
var checklist = strings.Fields("A1 A2 A3 A4 A5 A7 L1 L2 L3 L4 L5 L6 L7 L8 T1 T2 T3 T4 T5 T6 T7 X1 X2")

// Every promise of docs/security.md names a test that exists, and no line of the
// checklist is missing.
func TestPromisesHaveTests(t *testing.T) {
	text, err := fs.ReadFile(repository, "docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, s := range sources(t) {
		if s.isTest() {
			all.WriteString(s.text)
		}
	}
	promises := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| promise") {
			continue
		}
		promises++
		tests := named.FindAllStringSubmatch(line, -1)
		if len(tests) == 0 && !strings.Contains(line, "the rows «") {
			t.Errorf("no test is named for: %s", line)
		}
		for _, name := range tests {
			if !strings.Contains(all.String(), "\nfunc "+name[1]+"(") {
				t.Errorf("there is no %s: %s", name[1], line)
			}
		}
	}
	if promises < 30 {
		t.Errorf("only %d promises were found", promises)
	}
	for _, entry := range checklist {
		if !regexp.MustCompile(`\(([A-Z]\d, )*` + entry + `(, [A-Z]\d)*\)`).Match(text) {
			t.Errorf("%s is missing in docs/security.md", entry)
		}
	}
}
