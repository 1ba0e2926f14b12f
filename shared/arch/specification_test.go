package arch

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portico/shared/api"
)

const specification = "docs/webhooks.md"

// sections are those that a specification has, in this order.
var sections = []string{
	"Overview", "Goals and success criteria", "Non-goals", "Architecture", "Data model", "API", "Interface contracts", "Algorithms",
	"Error handling", "State management", "Security", "Performance requirements", "Testing plan", "Deployment plan",
	"Monitoring and alerting", "Open questions",
}

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(repository, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// partOf returns the text of a numbered section of the specification.
func partOf(t *testing.T, title string) string {
	t.Helper()
	_, text, found := strings.Cut(document(t, specification), fmt.Sprintf("\n## %d. %s\n", slices.Index(sections, title)+1, title))
	if !found {
		t.Fatalf("%s has no section %q", specification, title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

func TestSpecificationHasItsSections(t *testing.T) {
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^## \d+\. (.*)$`).FindAllStringSubmatch(document(t, specification), -1) {
		got = append(got, m[1])
	}
	if !slices.Equal(got, sections) {
		t.Errorf("%s has the sections %q, want %q", specification, got, sections)
	}
}

var (
	constantRow = regexp.MustCompile("(?m)^\\| `([a-z/]+)\\.([A-Za-z]+)` \\| ([^|]*) \\|")
	quantity    = regexp.MustCompile(`^([0-9,.]+)(?: (ms|s|min|h|days|KiB|%))?$`)
)

// quantities are how a document writes units.
var quantities = map[string]float64{
	"": 1, "ms": 0.001, "s": 1, "min": 60, "h": 3600, "days": 86400, "KiB": 1024, "%": 0.01,
}

// Each constant and list that the specification names has the value in the code.
func TestSpecifiedConstants(t *testing.T) {
	found := constantRow.FindAllStringSubmatch(document(t, specification), -1)
	if len(found) < 30 {
		t.Errorf("only %d constants were found", len(found))
	}
	code := readValues(t)
	for _, row := range found {
		name := row[1] + "." + row[2]
		if code[name] == nil {
			t.Errorf("%s names %s, which does not exist", specification, name)
			continue
		}
		var documented []float64
		for _, text := range strings.Split(row[3], ", ") {
			m := quantity.FindStringSubmatch(text)
			if m == nil {
				t.Fatalf("%s: %q is not a number with a unit", name, text)
			}
			n, err := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64)
			if err != nil {
				t.Fatal(err)
			}
			documented = append(documented, n*quantities[m[2]])
		}
		if value := code.list(t, name); !slices.Equal(value, documented) {
			t.Errorf("%s says that %s is %s; in the code it is %v, in seconds if it is a duration", specification, name, row[3], value)
		}
	}
}

// The guide for customers says what the code does about retries and the breaker.
func TestGuideSaysWhenToRetry(t *testing.T) {
	v := readValues(t)
	tries := func(variable string) (int, float64) {
		hours, waits := 0.0, v.list(t, "shared/webhook."+variable)
		for _, seconds := range waits {
			hours += seconds / 3600
		}
		return len(waits) + 1, hours
	}
	normal, last := tries("DefaultSchedule")
	fast, lastFast := tries("FastSchedule")
	open, most := v.list(t, "shared/webhook/dispatching.openFor")[0], v.list(t, "shared/webhook/dispatching.openAtMost")[0]
	guide := document(t, "docs/endpoints.md")
	for _, want := range []string{
		fmt.Sprintf("`default`: %d tries, the last after %.1f h.", normal, last),
		fmt.Sprintf("`fast`: %d tries, the second after %g s, the last after %.1f h.", fast, v.list(t, "shared/webhook.FastSchedule")[0], lastFast),
		fmt.Sprintf("nothing is sent for %g s, then one delivery as a probe. While probes fail it stays open for %g, %g, then %g s",
			open, min(2*open, most), min(4*open, most), min(8*open, most)),
	} {
		if !strings.Contains(guide, want) {
			t.Errorf("docs/endpoints.md does not say: %s", want)
		}
	}
}

var optionRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| .* \\| `?([^|`]*)`? \\|$")

// The guide for customers gives each option the default that the specification gives
// it, which is compared with the column's.
func TestGuideSaysTheDefaults(t *testing.T) {
	specified := map[string]string{}
	for _, row := range optionRow.FindAllStringSubmatch(partOf(t, "API"), -1) {
		specified[row[1]] = row[2]
	}
	specified["custom_headers"] = "none" // in two columns
	_, options, _ := strings.Cut(document(t, "docs/endpoints.md"), "\n## Options of an endpoint\n")
	options, _, _ = strings.Cut(options, "\n## ")
	rows := optionRow.FindAllStringSubmatch(options, -1)
	if len(rows) < 8 {
		t.Errorf("only %d options were found", len(rows))
	}
	for _, row := range rows {
		if want, ok := specified[row[1]]; !ok || want != row[2] {
			t.Errorf("docs/endpoints.md says that the default of %s is %q; %s says %q", row[1], row[2], specification, want)
		}
	}
}

var parameterRow = regexp.MustCompile("(?m)^\\| `([A-Z][A-Za-z]+)` \\| ([0-9]+) \\|")

// The parameters of the template have the defaults that the specification names.
func TestSpecifiedParameters(t *testing.T) {
	template := document(t, "template.yaml")
	found := parameterRow.FindAllStringSubmatch(document(t, specification), -1)
	if len(found) < 3 {
		t.Errorf("only %d parameters were found", len(found))
	}
	for _, row := range found {
		_, parameter, _ := strings.Cut(template, "\n  "+row[1]+":\n")
		_, value, _ := strings.Cut(parameter, "    Default: ")
		if value, _, _ = strings.Cut(value, "\n"); value != row[2] {
			t.Errorf("%s says that the default of %s is %s; in template.yaml it is %s", specification, row[1], row[2], value)
		}
	}
}

// The specification lists each operation on events and webhooks, with its permission.
func TestSpecifiedOperations(t *testing.T) {
	text := partOf(t, "API")
	listed := strings.Count(text, "\n| `GET ") + strings.Count(text, "\n| `POST ") + strings.Count(text, "\n| `PATCH ") + strings.Count(text, "\n| `DELETE ")
	for _, o := range api.All() {
		op := o.Meta()
		if op.Tag != "Events" && op.Tag != "Stream" && op.Tag != "Webhooks" {
			continue
		}
		listed--
		line := fmt.Sprintf("| `%s %s` | `%s` | %s |", op.Method, op.Path, op.Permission, op.Summary)
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s: the section API should have the line\n%s", specification, line)
		}
	}
	if listed > 0 {
		t.Errorf("%s lists %d operations that do not exist", specification, listed)
	}
}

// Tests, alarms and error codes that the specification names exist.
func TestSpecificationNamesWhatExists(t *testing.T) {
	var tests strings.Builder
	for _, s := range sources(t) {
		if s.isTest() {
			tests.WriteString(s.text)
		}
	}
	for _, name := range named.FindAllStringSubmatch(document(t, specification), -1) {
		if !strings.Contains(tests.String(), "\nfunc "+name[1]+"(") {
			t.Errorf("%s names %s, which does not exist", specification, name[1])
		}
	}
	for section, where := range map[string]string{"Error handling": "docs/errors.md", "Monitoring and alerting": "docs/operating.md"} {
		rows := regexp.MustCompile("(?m)^\\| `([a-z_-]+)` \\|").FindAllStringSubmatch(partOf(t, section), -1)
		if len(rows) < 5 {
			t.Errorf("only %d rows were found in %q", len(rows), section)
		}
		for _, row := range rows {
			if !strings.Contains(document(t, where), "`"+row[1]+"`") {
				t.Errorf("%s names %s, which is not in %s", specification, row[1], where)
			}
		}
	}
}

// Each open question has a role that answers it, and a date.
func TestOpenQuestionsHaveOwners(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| \d+ \| .*$`).FindAllString(partOf(t, "Open questions"), -1)
	if len(rows) == 0 {
		t.Error("no question was found")
	}
	for _, row := range rows {
		if !regexp.MustCompile(`\| [a-z ]+ \| 20\d\d-\d\d-\d\d \|$`).MatchString(row) {
			t.Errorf("the question needs an owning role and a date: %s", row)
		}
	}
}
