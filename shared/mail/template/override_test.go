package template_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"portico/shared/fault"
	"portico/shared/mail/template"
)

// why shows what is wrong with an override.
func why(err error) string {
	if f := fault.Of(err); f != nil {
		return fmt.Sprint(f.Fields)
	}
	return fmt.Sprint(err)
}

// source returns what the repository's template says.
func source(t testing.TB, tmpl *template.Template) template.Source {
	t.Helper()
	s, err := repository(t).Source(tmpl)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// styled describes a page: each element with its attributes, styles sorted, and each
// text.
func styled(page string) (all []string) {
	tokens := html.NewTokenizer(strings.NewReader(page))
	for tokens.Next() != html.ErrorToken {
		token := tokens.Token()
		text := token.Type.String() + " " + strings.Join(strings.Fields(token.Data), " ")
		slices.SortFunc(token.Attr, func(a, b html.Attribute) int { return strings.Compare(a.Key, b.Key) })
		for _, a := range token.Attr {
			if a.Key == "style" {
				declarations := strings.Split(strings.ReplaceAll(a.Val, ": ", ":"), ";")
				for i := range declarations {
					declarations[i] = strings.TrimSpace(declarations[i])
				}
				slices.Sort(declarations)
				a.Val = strings.Join(declarations, ";")
			}
			text += fmt.Sprintf(" %s=%q", a.Key, a.Val)
		}
		if token.Type == html.SelfClosingTagToken {
			text = strings.Replace(text, "SelfClosing", "Start", 1)
		}
		if strings.TrimSpace(token.Data) != "" {
			all = append(all, text)
		}
	}
	return all
}

// The repository's own template, saved as an override, makes the same mail: with the
// style sheet in its elements and the layout around it.
func TestOverrideIsStyled(t *testing.T) {
	set := repository(t)
	for _, tmpl := range template.All() {
		for _, locale := range set.Locales() {
			o, err := set.Override(tmpl, locale, "override-1", source(t, tmpl))
			if err != nil {
				t.Errorf("%s: %s", tmpl.Name, why(err))
				continue
			}
			if err := o.Try(); err != nil {
				t.Errorf("%s: %s", tmpl.Name, why(err))
			}
			for _, sample := range tmpl.Samples {
				for _, frame := range frames {
					want, err := set.Render(template.Content{Template: tmpl, Data: sample.Data}, locale, frame)
					if err != nil {
						t.Fatal(err)
					}
					got, err := o.Render(sample.Data, frame)
					if err != nil || got.Version != "override-1" {
						t.Fatalf("%s: %v, version %q", tmpl.Name, err, got.Version)
					}
					if diff := cmp.Diff(styled(want.HTML), styled(got.HTML)); diff != "" {
						t.Errorf("%s %s %s (-repository +override):\n%s", tmpl.Name, sample.Name, locale, diff)
					}
					got.HTML, got.Version = want.HTML, want.Version
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s %s %s (-repository +override):\n%s", tmpl.Name, sample.Name, locale, diff)
					}
				}
			}
		}
	}
}

// good is a source for DeadDeliveries that uses what an override may use.
var good = template.Source{
	Subject: `{{if eq .Data.Count 1}}Ein Ereignis{{else}}{{.Data.Count}} Ereignisse{{end}} für {{.Data.Organization}}`,
	HTML: `<h1 class="title">Nicht zugestellt: {{.Data.Count}}</h1>
{{/* a note */ -}}
<p class="text" style="color: #aa0000">Seit {{at .Data.Since}}{{if and .Data.LastError (not (eq .Data.Count 1))}} ({{.Data.LastError}}){{end}}.</p>
<ul>{{range $i, $type := .Data.EventTypes}}<li title="{{$type}}">{{$i}} {{$type}} {{$.Data.Endpoint}}</li>{{else}}<li>keine</li>{{end}}</ul>
{{if .Data.URL}}<p class="action"><a class="button" style="background-color: {{.Brand.Color}}; color: {{.Brand.Ink}}" href="{{.Data.URL}}">{{t "dead_deliveries.action"}}</a></p>{{else if .Brand.Support}}<p>{{.Brand.Support}}</p>{{end}}
<p><a href="https://portico.example.com/help?of={{.Organization}}">Hilfe</a><br><img src="https://portico.example.com/x.png" alt="Acme" width="10"></p>`,
	Text: `{{n "dead_deliveries.title" .Data.Count .Data}}
{{range .Data.EventTypes}}- {{.}}
{{end}}{{.Data.URL}} https://portico.example.com/help?of={{.Organization}}`,
}

func TestOverrideLanguage(t *testing.T) {
	o, err := repository(t).Override(template.DeadDeliveries.Template, "de", "override-7", good)
	if err != nil {
		t.Fatal(why(err))
	}
	if err := o.Try(); err != nil {
		t.Error(why(err))
	}
	r, err := o.Render(template.DeadDeliveries.Samples[1].Data, frames[0])
	if err != nil {
		t.Fatal(err)
	}
	if r.Subject != "1204 Ereignisse für Acme" || r.Locale != "de" || r.Version != "override-7" {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{
		"1 invoice.voided https://hooks.acme.example/portico", "Seit 3. März 2026", "overflow-wrap: anywhere; color: #aa0000",
		`href="https://portico.example.com/u/token"`, "E-Mails dieser Art abbestellen",
	} {
		if !strings.Contains(r.HTML, want) {
			t.Errorf("%q is missing in\n%s", want, r.HTML)
		}
	}
}

// What is wrong is said with its part and line, that of all parts together.
func TestOverrideNamesTheLine(t *testing.T) {
	bad := good
	bad.Subject, bad.HTML, bad.Text = "{{.Data.Nothing}}", "<p>\n</p>\n<p>\n<script></script></p>", "a\n\n{{if}}"
	_, err := repository(t).Override(template.DeadDeliveries.Template, "de", "1", bad)
	f := fault.Of(err)
	if f == nil {
		t.Fatal(err)
	}
	want := []fault.Field{
		{Name: "subject", Message: "line 1: .Data.Nothing: there is no Nothing"},
		{Name: "html", Message: "line 4: <script> is not allowed"},
		{Name: "text", Message: "line 3: missing value for if"},
	}
	if diff := cmp.Diff(want, f.Fields); diff != "" {
		t.Error(diff)
	}
	if _, err := repository(t).Override(template.DeadDeliveries.Template, "fr", "1", good); fault.Of(err) == nil {
		t.Errorf("a language without messages: %v", err)
	}
}
