package template_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"portico/shared/mail/template"
)

var write = flag.Bool("write", false, "write the golden files")

// frames are what stands around each sample: with everything, and with nothing.
var frames = []template.Frame{
	{
		Brand:        template.Brand{Name: "Acme", LogoURL: "https://portico.example.com/logo.png", Color: "#ffb020", Support: "help@acme.example"},
		Organization: "Acme", Unsubscribe: "https://portico.example.com/u/token",
	},
	{Brand: template.Brand{Name: "Portico"}, Organization: "Acme"},
}

func repository(t testing.TB) *template.Set {
	t.Helper()
	set, err := template.Repository()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// render renders every sample in every language with every frame.
func render(t *testing.T, visit func(name string, s template.Sample, f template.Frame, r template.Rendered)) {
	t.Helper()
	set := repository(t)
	for _, tmpl := range template.All() {
		for _, sample := range tmpl.Samples {
			for _, locale := range set.Locales() {
				for i, frame := range frames {
					if tmpl.Category == "" {
						frame.Unsubscribe = ""
					}
					name := fmt.Sprintf("%s/%s.%s", tmpl.Name, strings.ReplaceAll(sample.Name, " ", "-"), locale)
					if i > 0 {
						name += ".plain"
					}
					r, err := set.Render(template.Content{Template: tmpl, Data: sample.Data}, locale, frame)
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					visit(name, sample, frame, r)
				}
			}
		}
	}
}

// Each sample in each language is as it was when a person last looked at it.
func TestGolden(t *testing.T) {
	found := map[string]bool{}
	render(t, func(name string, _ template.Sample, _ template.Frame, r template.Rendered) {
		if strings.HasSuffix(name, ".de.plain") {
			return // shows nothing that the others do not
		}
		for file, text := range map[string]string{
			name + ".html": r.HTML,
			name + ".txt":  "Subject: " + r.Subject + "\n\n" + r.Text,
		} {
			path := filepath.Join("testdata", file)
			found[path] = true
			if *write {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if diff := cmp.Diff(string(golden), text); err != nil || diff != "" {
				t.Errorf("%s differs (%v); look at it, then run this test with -write (-golden +now):\n%s", path, err, diff)
			}
		}
	})
	files, _ := filepath.Glob("testdata/*/*")
	for _, file := range files {
		if !found[file] {
			t.Errorf("%s belongs to no sample: remove it", file)
		}
	}
}

// What mail programs and people demand of every mail.
func TestChecks(t *testing.T) {
	render(t, func(name string, _ template.Sample, f template.Frame, r template.Rendered) {
		for _, problem := range check(r) {
			t.Errorf("%s: %s", name, problem)
		}
		if f.Unsubscribe != "" && !slices.Contains(links(r.HTML), f.Unsubscribe) {
			t.Errorf("%s: there is no link to unsubscribe", name)
		}
	})
}

// check returns what is wrong with a mail.
func check(r template.Rendered) []string {
	var problems []string
	if n := utf8.RuneCountInString(r.Subject); n == 0 || n > 78 || strings.ContainsAny(r.Subject, "\r\n") {
		problems = append(problems, fmt.Sprintf("the subject has %d characters", n))
	}
	if len(r.HTML) >= 100<<10 {
		problems = append(problems, fmt.Sprintf("the HTML has %d bytes; Gmail cuts at 102 kB", len(r.HTML)))
	}
	if strings.Contains(r.HTML, "ZgotmplZ") || strings.Contains(r.HTML+r.Text+r.Subject, "<no value>") {
		problems = append(problems, "a value was replaced because it does not fit in its place")
	}
	inText := urls.FindAllString(r.Text, -1)
	for _, link := range links(r.HTML) {
		if strings.HasPrefix(link, "mailto:") {
			continue
		}
		if !strings.HasPrefix(link, "https://") {
			problems = append(problems, "the link "+link+" is not https")
		}
		if !slices.Contains(inText, link) {
			problems = append(problems, "the link "+link+" is missing in the text")
		}
	}
	for n := range nodes(r.HTML) {
		switch {
		case n.Data == "html" && attribute(n, "lang") != r.Locale:
			problems = append(problems, "lang is not "+r.Locale)
		case n.Data == "img" && attribute(n, "alt") == "":
			problems = append(problems, "an image has no alt text")
		case n.Data == "script" || n.Data == "form":
			problems = append(problems, "there is a "+n.Data)
		case n.Data == "table" && attribute(n, "role") != "presentation":
			problems = append(problems, "a table for layout has no role")
		}
	}
	return problems
}

var urls = regexp.MustCompile(`https?://\S+`)

func nodes(page string) func(func(*html.Node) bool) {
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		panic(err) // html.Parse accepts any text
	}
	return func(yield func(*html.Node) bool) {
		for n := range doc.Descendants() {
			if n.Type == html.ElementNode && !yield(n) {
				return
			}
		}
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func links(page string) []string {
	var all []string
	for n := range nodes(page) {
		if n.Data == "a" {
			all = append(all, attribute(n, "href"))
		}
	}
	return all
}

// The check finds what it is there for.
func TestCheckFindsProblems(t *testing.T) {
	good := template.Rendered{Subject: "Hi", HTML: `<html lang="en"><a href="https://a.example/">x</a></html>`, Text: "https://a.example/\n", Locale: "en"}
	if problems := check(good); len(problems) > 0 {
		t.Errorf("a good mail: %v", problems)
	}
	for want, spoil := range map[string]func(*template.Rendered){
		"79 characters": func(r *template.Rendered) { r.Subject = strings.Repeat("x", 79) },
		"bytes":         func(r *template.Rendered) { r.HTML += strings.Repeat("x", 100<<10) },
		"replaced":      func(r *template.Rendered) { r.HTML += "ZgotmplZ" },
		"not https":     func(r *template.Rendered) { r.HTML = strings.Replace(r.HTML, "https", "http", 1) },
		"missing":       func(r *template.Rendered) { r.Text = "" },
		"lang":          func(r *template.Rendered) { r.Locale = "de" },
		"alt":           func(r *template.Rendered) { r.HTML += `<img src="https://a.example/x">` },
		"script":        func(r *template.Rendered) { r.HTML += `<script></script>` },
		"role":          func(r *template.Rendered) { r.HTML += `<table></table>` },
	} {
		bad := good
		spoil(&bad)
		if problems := check(bad); !strings.Contains(strings.Join(problems, "\n"), want) {
			t.Errorf("%s is not found: %v", want, problems)
		}
	}
}

// hostile are texts that customers may choose.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{.Brand}}`, `' onmouseover='x`, `</title><h1>`, `</style>`,
	"Acme\r\nBcc: x@evil.example\r\n\r\nHello", "Acme\n\nYour account is closed: https://evil.example/", "a\u202eb", "\x00\x1b[31m", strings.Repeat("Ä", 300),
	`javascript:alert(1)`, `<!--`, `-->`, `]]>`, `&lt;b&gt;`,
}

// Whatever texts the data and the frame have, the page has the same elements, the
// text the same lines, and the subject is one line.
func TestHostileNames(t *testing.T) {
	set := repository(t)
	for _, tmpl := range template.All() {
		for _, sample := range tmpl.Samples {
			plain := mustRender(t, set, tmpl, filled(sample.Data, "plain"), "plain")
			for _, name := range hostile {
				r := mustRender(t, set, tmpl, filled(sample.Data, name), name)
				if diff := cmp.Diff(elements(plain.HTML), elements(r.HTML)); diff != "" {
					t.Errorf("%s with %q has other elements:\n%s", tmpl.Name, name, diff)
				}
				if a, b := strings.Count(plain.Text, "\n"), strings.Count(r.Text, "\n"); a != b {
					t.Errorf("%s with %q: the text has %d lines, not %d", tmpl.Name, name, b, a)
				}
				if strings.ContainsAny(r.Subject, "\r\n") || utf8.RuneCountInString(r.Subject) > 78 {
					t.Errorf("%s with %q: subject %q", tmpl.Name, name, r.Subject)
				}
				for _, link := range links(r.HTML) {
					if strings.HasPrefix(link, "javascript:") {
						t.Errorf("%s with %q links %s", tmpl.Name, name, link)
					}
				}
			}
		}
	}
}

func mustRender(t *testing.T, set *template.Set, tmpl *template.Template, data any, name string) template.Rendered {
	t.Helper()
	r, err := set.Render(template.Content{Template: tmpl, Data: data}, "en", template.Frame{
		Brand: template.Brand{Name: name, LogoURL: name, Color: name, Support: name}, Organization: name, Unsubscribe: name,
	})
	if err != nil {
		t.Fatalf("%s with %q: %v", tmpl.Name, name, err)
	}
	return r
}

// filled returns a copy of data whose texts are all the given one.
func filled(data any, text string) any {
	v := reflect.New(reflect.TypeOf(data)).Elem()
	v.Set(reflect.ValueOf(data))
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString(text)
		case []string:
			f.Set(reflect.ValueOf([]string{text, text}))
		}
	}
	return v.Interface()
}

// elements lists a page's elements with the names of their attributes.
func elements(page string) []string {
	var all []string
	for n := range nodes(page) {
		e := n.Data
		for _, a := range n.Attr {
			e += " " + a.Key
		}
		all = append(all, e)
	}
	return all
}

// Data outlive the request that gave them: they come back from JSON as they were.
func TestDataSurviveJSON(t *testing.T) {
	for _, tmpl := range template.All() {
		if template.Named(tmpl.Name) != tmpl {
			t.Errorf("%s is not found by its name", tmpl.Name)
		}
		for _, sample := range tmpl.Samples {
			text, err := json.Marshal(sample.Data)
			if err != nil {
				t.Fatal(err)
			}
			back, err := tmpl.Decode(text)
			if diff := cmp.Diff(sample.Data, back.Data); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", tmpl.Name, err, diff)
			}
		}
		if _, err := tmpl.Decode([]byte("[]")); err == nil {
			t.Errorf("%s accepts a list as data", tmpl.Name)
		}
	}
}

// Rendering does not change the caller's data.
func TestDataStayAsTheyAre(t *testing.T) {
	data := template.DeadDeliveriesData{Organization: "A\nB", EventTypes: []string{"a\nb"}}
	if _, err := repository(t).Render(template.DeadDeliveries.With(data), "en", frames[1]); err != nil {
		t.Fatal(err)
	}
	if data.Organization != "A\nB" || data.EventTypes[0] != "a\nb" {
		t.Errorf("the data are now %+v", data)
	}
}
