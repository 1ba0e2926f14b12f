package template_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"portico/shared/mail/template"
)

// keys returns the keys of a message file, sorted. The forms of a plural are one
// message.
func keys(t *testing.T, text []byte) []string {
	t.Helper()
	var all map[string]map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	var list []string
	for group, messages := range all {
		for key, message := range messages {
			if forms, ok := message.(map[string]any); ok && (forms["one"] == nil || forms["other"] == nil) {
				t.Errorf("%s.%s has not both forms, one and other", group, key)
			}
			list = append(list, group+"."+key)
		}
	}
	slices.Sort(list)
	return list
}

var used = regexp.MustCompile(`\{\{[tn] "([a-z_.]+)"`)

// Every language has the messages that templates use, and no others.
func TestLanguagesAreComplete(t *testing.T) {
	want := map[string]bool{"format.at": true}
	for _, month := range strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12") {
		want["month."+month] = true
	}
	for _, tmpl := range template.All() {
		want[tmpl.Name+".preview"] = true
	}
	for _, pattern := range []string{"*/*.txt", "*/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range used.FindAllStringSubmatch(string(text), -1) {
				want[match[1]] = true
			}
		}
	}
	var sorted []string
	for key := range want {
		sorted = append(sorted, key)
	}
	slices.Sort(sorted)
	files, err := filepath.Glob("locale/*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("only %v are found (%v)", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sorted, keys(t, text)); diff != "" {
			t.Errorf("%s (-used by templates +in the file):\n%s", file, diff)
		}
	}
}

// changed returns the repository's templates with other messages.
func changed(t *testing.T, change func(locale, text string) string) *template.Set {
	t.Helper()
	source := fstest.MapFS{}
	for _, pattern := range []string{"*/*.txt", "locale/*.json"} {
		files, err := fs.Glob(os.DirFS("."), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source[file] = &fstest.MapFile{Data: []byte(change(file, string(text)))}
		}
	}
	set, err := template.Load(source, func(name string) (string, error) {
		text, err := os.ReadFile("inlined/" + name + ".html")
		return string(text), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A message that a language lacks is shown in English. One that English lacks is an
// error.
func TestMissingMessage(t *testing.T) {
	content := template.Content{Template: template.MemberAdded.Template, Data: template.MemberAdded.Samples[0].Data}
	set := changed(t, func(file, text string) string {
		if file == "locale/de.json" {
			return strings.Replace(text, `"action": "Organisation öffnen",`, "", 1)
		}
		return text
	})
	r, err := set.Render(content, "de", frames[0])
	if err != nil || !strings.Contains(r.HTML, "Open the organization") || !strings.Contains(r.HTML, "Ihre Rolle") {
		t.Errorf("%v\n%s", err, r.Text)
	}
	set = changed(t, func(_, text string) string {
		text = strings.Replace(text, `"action": "Organisation öffnen",`, "", 1)
		return strings.Replace(text, `"action": "Open the organization",`, "", 1)
	})
	if _, err := set.Render(content, "de", frames[0]); err == nil || !strings.Contains(err.Error(), "member_added.action") {
		t.Errorf("a message that no language has: %v", err)
	}
}

// The nearest language is used, and English if there is none.
func TestNearestLanguage(t *testing.T) {
	set := repository(t)
	content := template.Content{Template: template.MemberAdded.Template, Data: template.MemberAdded.Samples[0].Data}
	for wanted, want := range map[string]string{
		"de": "de", "de-AT": "de", "de_CH": "de", "en": "en", "en-GB": "en", "fr": "en", "": "en", "nonsense!": "en",
	} {
		r, err := set.Render(content, wanted, frames[0])
		if err != nil || r.Locale != want {
			t.Errorf("%q: %s, want %s (%v)", wanted, r.Locale, want, err)
		}
	}
}

// A template that names a field its data do not have cannot be rendered.
func TestUnknownFieldsAreErrors(t *testing.T) {
	set := changed(t, func(file, text string) string {
		if file == "member_added/body.txt" {
			return text + "{{.Data.Nope}}"
		}
		return text
	})
	content := template.Content{Template: template.MemberAdded.Template, Data: template.MemberAdded.Samples[0].Data}
	if _, err := set.Render(content, "en", frames[0]); err == nil || !strings.Contains(err.Error(), "Nope") {
		t.Errorf("%v", err)
	}
}

// The version changes when a file of the template does.
func TestVersion(t *testing.T) {
	content := template.Content{Template: template.MemberAdded.Template, Data: template.MemberAdded.Samples[0].Data}
	before, err := repository(t).Render(content, "en", frames[0])
	if err != nil {
		t.Fatal(err)
	}
	after, err := changed(t, func(file, text string) string {
		if file == "member_added/body.txt" {
			return text + "More."
		}
		return text
	}).Render(content, "en", frames[0])
	if err != nil || before.Version == after.Version || len(before.Version) != 12 {
		t.Errorf("before %q, after %q (%v)", before.Version, after.Version, err)
	}
}

func BenchmarkRender(b *testing.B) {
	set := repository(b)
	content := template.Content{Template: template.DeadDeliveries.Template, Data: template.DeadDeliveries.Samples[0].Data}
	for b.Loop() {
		if _, err := set.Render(content, "de", frames[0]); err != nil {
			b.Fatal(err)
		}
	}
}
