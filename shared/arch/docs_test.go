package arch

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var named = regexp.MustCompile("`(Test[A-Za-z]+)`")

// checklist lists the lines of the security checklist. docs/security.md must name
// each of them.
var checklist = strings.Fields("A1 A2 A3 A4 A5 A7 L1 L2 L3 L4 L5 L6 L7 L8 T1 T2 T3 T4 T5 T6 T7 X1 X2")

var declared = regexp.MustCompile(`(?m)^func (Test[A-Za-z]+)\(`)

// tests returns the names of all tests.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, s := range sources(t) {
		if !s.isTest() {
			continue
		}
		for _, name := range declared.FindAllStringSubmatch(s.text, -1) {
			names[name[1]] = true
		}
	}
	return names
}

// Every promise of docs/security.md names a test that exists, and no line of the
// checklist is missing.
func TestPromisesHaveTests(t *testing.T) {
	text, err := fs.ReadFile(repository, "docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	exists := tests(t)
	promises := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| promise") {
			continue
		}
		promises++
		shown := named.FindAllStringSubmatch(line, -1)
		if len(shown) == 0 && !strings.Contains(line, "the rows «") {
			t.Errorf("no test is named for: %s", line)
		}
		for _, name := range shown {
			if !exists[name[1]] {
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

// requirements has the number of requirements of ASVS 5.0 at levels 1 and 2 in each section
// of V6, V7 and V10, in which those of level 3 come last.
var requirements = map[string]int{
	"6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4,
	"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2,
	"10.1": 2, "10.2": 2, "10.3": 4, "10.4": 11, "10.5": 5, "10.6": 2, "10.7": 3,
}

// Every requirement has one row in docs/identity.md, with a test that exists, the deviation,
// or why it does not apply.
func TestRequirementsHaveTests(t *testing.T) {
	t.Parallel()
	text, err := fs.ReadFile(repository, "docs/identity.md")
	if err != nil {
		t.Fatal(err)
	}
	exists, rows := tests(t), map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| ((?:6|7|10)\.\d\.\d+) \| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(string(text), -1) {
		rows[row[1]]++
		shown := named.FindAllStringSubmatch(row[2], -1)
		if len(shown) == 0 && !strings.HasPrefix(row[2], "Not applicable: ") && !strings.Contains(row[2], "Deviation: ") {
			t.Errorf("%s names no test, no deviation and no reason", row[1])
		}
		for _, name := range shown {
			if !exists[name[1]] {
				t.Errorf("%s: there is no %s", row[1], name[1])
			}
		}
	}
	want := map[string]int{}
	for section, n := range requirements {
		for i := range n {
			want[fmt.Sprintf("%s.%d", section, i+1)] = 1
		}
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-wanted +found): %s", diff)
	}
}
