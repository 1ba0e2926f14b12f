package template_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"portico/shared/fault"
	"portico/shared/mail/template"
)

// hostileParts are parts of overrides that must be refused, each with a part of what
// is said about it.
var hostileParts = []struct{ part, text, want string }{
	// Loops over large data.
	{"html", `{{range 1000000000}}x{{end}}`, "only the lists of .Data"},
	{"html", `{{range .Data.EventTypes}}{{range $.Data.EventTypes}}x{{end}}{{end}}`, "must not contain another"},
	{"html", `{{range .Data.EventTypes}}a{{else}}{{range .Data.EventTypes}}{{range $.Data.EventTypes}}{{end}}{{end}}{{end}}`, "must not contain another"},
	{"html", `{{range .Data.Organization}}x{{end}}`, "only the lists of .Data"},
	{"html", `{{range len .Data.EventTypes}}x{{end}}`, "only the lists of .Data"},
	{"html", `{{range $x := .Data.EventTypes}}{{range $x}}{{end}}{{end}}`, "must not contain another"},
	{"html", `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, "must not define"},
	{"html", `{{block "a" .}}{{end}}`, "must not define"},
	{"html", `{{template "body" .}}`, "is not allowed"},
	{"html", `{{template "layout" .}}`, "is not allowed"},
	{"html", `{{with .Data}}{{.Organization}}{{end}}`, "is not allowed"},
	{"html", `{{range .Data.EventTypes}}{{break}}{{end}}`, "is not allowed"},
	{"html", strings.Repeat(`{{if .Data.URL}}`, 9) + strings.Repeat(`{{end}}`, 9), "inside of each other"},
	{"html", `{{if ` + strings.Repeat("(", 100) + `.Data.URL` + strings.Repeat(")", 100) + `}}{{end}}`, "inside of each other"},
	{"html", strings.Repeat(`{{.Data.URL}}`, 2_001), "more than 2000 parts"},
	// Huge output.
	{"html", strings.Repeat("x", 128<<10+1), "at most 128 KiB"},
	{"text", strings.Repeat("x", 128<<10+1), "at most 128 KiB"},
	{"subject", strings.Repeat("x", 1<<10+1), "at most 1 KiB"},
	{"html", `{{printf "%1000000000d" 1}}`, `function "printf" not defined`},
	{"html", `{{range .Data.EventTypes}}` + strings.Repeat("x", 120<<10) + `{{end}}`, "more than 256 KiB"},
	{"text", good.Text + `{{range .Data.EventTypes}}` + strings.Repeat("x", 120<<10) + `{{end}}`, "more than 256 KiB"},
	// Too much time.
	{"html", strings.Repeat(`{{t "dead_deliveries.hint"}}`, 500), "too long to render"},
	{"text", good.Text + `{{range .Data.EventTypes}}` + strings.Repeat(`{{t "dead_deliveries.hint"}}`, 200) + `{{end}}`, "too long to render"},
	// Other data, methods.
	{"html", `{{.Data.Password}}`, "there is no Password"},
	{"html", `{{.Box}}`, "there is no Box"},
	{"html", `{{.Data}}`, "not a text or a number"},
	{"html", `{{.}}`, "not a text or a number"},
	{"html", `{{$}}`, "not a text or a number"},
	{"html", `{{$x}}`, "undefined variable"},
	{"html", `{{.Data.EventTypes}}`, "write {{range …}}"},
	{"html", `{{.Data.Since}}`, "write {{at …}}"},
	{"html", `{{.Data.Since.Format "2006"}}`, "is no function"},
	{"html", `{{.Data.Since.Location.String}}`, "there is no Location"},
	{"html", `{{.Data.Organization.Foo}}`, "there is no Foo"},
	{"html", `{{.Brand.Brand}}`, "there is no Brand"},
	{"html", `{{(.Data).Organization}}`, "is not allowed here"},
	{"html", `{{$x := .Data.URL}}{{$x}}`, "sets a variable"},
	{"html", `{{if $x := .Data.URL}}{{$x}}{{end}}`, "sets a variable"},
	{"html", `{{nil}}`, "nil is not allowed"},
	{"html", `{{1.5}}`, "is not allowed here"},
	// Functions.
	{"html", `{{call .Data.URL}}`, "not defined"},
	{"html", `{{index .Data.EventTypes 99}}`, "not defined"},
	{"html", `{{html .Data.URL}}`, "not defined"},
	{"html", `{{js .Data.URL}}`, "not defined"},
	{"html", `{{.Data.URL | len}}`, "instead of"},
	{"html", `{{t .Data.URL}}`, "a text in quotes"},
	{"html", `{{t "layout.reason" .}}`, "begins with dead_deliveries."},
	{"html", `{{t "member_added.title" .Data}}`, "begins with dead_deliveries."},
	{"html", `{{t "dead_deliveries.nothing"}}`, "cannot be written"},
	{"html", `{{t "dead_deliveries.preview" .}}`, "write {{t"},
	{"html", `{{n "dead_deliveries.title" .Data.URL .Data}}`, "whole number"},
	{"html", `{{range .Data.EventTypes}}{{t "dead_deliveries.hint" .Data}}{{end}}`, "$.Data"},
	{"html", `{{at .Data.URL}}`, "needs a time"},
	{"html", `{{if eq .Data.URL 1}}{{end}}`, "needs two texts or two numbers"},
	{"html", `{{if lt true false}}{{end}}`, "needs two texts or two numbers"},
	{"html", `{{if eq .Data .Data}}{{end}}`, "needs two texts or two numbers"},
	{"html", `{{and .Data.URL 1}}`, "not a text or a number"},
	// Script and forms.
	{"html", `<script>alert(1)</script>`, "<script> is not allowed"},
	{"html", `<SCRIPT SRC=//x></SCRIPT>`, "<script> is not allowed"},
	{"html", `<scr{{if .Data.URL}}ipt{{end}}>alert(1)</script>`, "an action stands in a tag"},
	{"html", `<{{.Data.URL}}>`, "write &lt;"},
	{"html", `{{if .Data.URL}}<scr{{end}}ipt>`, "an action stands in a tag"},
	{"html", `<iframe src="https://a.example/"></iframe>`, "<iframe> is not allowed"},
	{"html", `<form action="https://a.example/"><input></form>`, "<form> is not allowed"},
	{"html", `<style>p{}</style>`, "<style> is not allowed"},
	{"html", `<link rel="stylesheet" href="https://a.example/">`, "<link> is not allowed"},
	{"html", `<meta http-equiv="refresh" content="0">`, "<meta> is not allowed"},
	{"html", `<base href="https://a.example/">`, "<base> is not allowed"},
	{"html", `<svg><script>alert(1)</script></svg>`, "<svg> is not allowed"},
	{"html", `<math><mi></mi></math>`, "<math> is not allowed"},
	{"html", `<object data="x"></object>`, "<object> is not allowed"},
	{"html", `<textarea>{{.Data.URL}}</textarea>`, "<textarea> is not allowed"},
	{"html", `<p onclick="alert(1)">x</p>`, "must not have the attribute onclick"},
	{"html", `<img src="https://a.example/x" alt="x" onerror="alert(1)">`, "must not have the attribute onerror"},
	{"html", `<p {{.Data.URL}}="x">x</p>`, "the name of an attribute"},
	{"html", `<p {{if .Data.URL}}class="text"{{end}}>x</p>`, "an action stands in a tag"},
	{"html", `<p class="{{.Data.URL}}">x</p>`, "cannot hold a value"},
	{"html", `<p id="x">x</p>`, "must not have the attribute id"},
	{"html", `<p class="nothing">x</p>`, "there is no class nothing"},
	{"html", `<!-- x --><p>x</p>`, "comments and declarations"},
	{"html", `<!doctype html>`, "comments and declarations"},
	{"html", `<?php ?>`, "comments and declarations"},
	{"html", `<![CDATA[x]]>`, "comments and declarations"},
	{"html", `<a href="javascript:alert(1)">x</a>`, "begins with https://"},
	{"html", `<a href=" java&#10;script:alert(1)">x</a>`, "begins with https://"},
	{"html", `<a href="JAVASCRIPT:alert(1)">x</a>`, "begins with https://"},
	{"html", `<a href="data:text/html,x">x</a>`, "begins with https://"},
	{"html", `<a href="http://a.example/">x</a>`, "begins with https://"},
	{"html", `<a href="//a.example/">x</a>`, "begins with https://"},
	{"html", `<a href="https://{{.Data.Organization}}/">x</a>`, "begins with https://"},
	{"html", `<a href="https://good.example{{.Data.Organization}}/">x</a>`, "begins with https://"},
	{"html", `<a href="https://good.example@evil.example/">x</a>`, "begins with https://"},
	{"html", `<a href="java{{.Data.Organization}}">x</a>`, "begins with https://"},
	{"html", `<a href="{{.Data.URL}}{{.Data.URL}}">x</a>`, "begins with https://"},
	{"html", `<a href="&#xF0000;" title="{{.Data.URL}}">x</a>`, "the name of an attribute"},
	{"html", `<a href="https://other.example/">x</a>`, "must have the link https://other.example/ too"},
	{"html", `<a href="{{.Data.Organization}}">x</a>`, "the link Acme"},
	{"html", `<img src="data:image/png;base64,AAAA" alt="x">`, "begins with https://"},
	{"html", `<img src="https://a.example/x">`, "needs src and alt"},
	{"html", `<p style="background: url(https://a.example/x)">x</p>`, "without addresses"},
	{"html", `<p style="background: URL (x)">x</p>`, "must not use URL()"},
	{"html", `<p style="@import 'x'">x</p>`, "without addresses"},
	{"html", `<p style="background: u\72l(//a.example/x)">x</p>`, "without addresses"},
	{"html", `<p style="background: u/**/rl(//a.example/x)">x</p>`, "without addresses"},
	{"html", `<p style="width: expression(alert(1))">x</p>`, "must not use expression()"},
	{"html", `<p style="background: image-set('https://a.example/x' 1x)">x</p>`, "without addresses"},
	{"html", `<p style="background: image-set('a' 1x)">x</p>`, "must not use image-set()"},
	{"html", `<p style="color: {{.Data.LastError}}">x</p>`, "must not hold"},
	{"html", `<p style="a: b" style="{{.Data.URL}}">x</p>`, "the name of an attribute"},
	// Out of the layout.
	{"html", `</td></tr></table><p>x</p>`, "closes nothing"},
	{"html", `<div style="display: none">`, "is not closed"},
	{"html", `<p>{{if .Data.URL}}</p>{{end}}`, "put conditions around whole"},
	{"html", `{{if .Data.URL}}<p>{{end}}</p>`, "put it around whole elements"},
	{"html", `{{if .Data.URL}}<p>{{else}}</p>{{end}}`, "put it around whole elements"},
	{"html", `{{range .Data.EventTypes}}<div>{{end}}`, "put it around whole elements"},
	{"html", `<td>x</td>`, "<td> must be in <tr>"},
	{"html", `<table><tr><td>x</td></tr></table>`, "<tr> must be in <thead>"},
	{"html", `<p/>x`, "write <p></p>"},
	{"html", `<p title="x`, "a tag is not closed"},
	{"html", `a < b`, "write &lt;"},
	{"html", `</body>`, "closes nothing"},
	// Texts that nobody can read, and what the checks use themselves.
	{"html", "<p>a\u202eb</p>", "U+202E"},
	{"html", "\ue000", "U+E000"},
	{"html", "\U000f0000", "U+F0000"},
	{"html", "a\x00b", "U+0000"},
	{"html", "a\xffb", "UTF-8"},
	{"html", "  ", "must not be empty"},
	// Headers.
	{"subject", "Hello\r\nBcc: x@evil.example", "one line"},
	{"subject", "Hello\nBcc: x@evil.example", "one line"},
	{"subject", "Hello{{\"\\r\\nBcc: x@evil.example\"}}", "not one line"},
	{"subject", "Hello{{\"\\u202e\"}}", "not one line"},
	{"subject", "{{if eq .Data.Count 77}}x{{end}}", "empty"},
	{"subject", "<p>{{range .Data.EventTypes}}", "unexpected EOF"},
	{"subject", "", "must not be empty"},
}

// save does what saving does.
func save(set *template.Set, s template.Source) error {
	o, err := set.Override(template.DeadDeliveries.Template, "de", "1", s)
	if err == nil {
		err = o.Try()
	}
	return err
}

// What could do harm is refused when it is saved, with the name of its part.
func TestHostileOverrides(t *testing.T) {
	set := repository(t)
	for _, tt := range hostileParts {
		s := good
		*map[string]*string{"subject": &s.Subject, "html": &s.HTML, "text": &s.Text}[tt.part] = tt.text
		err := save(set, s)
		shown := tt.text[:min(len(tt.text), 80)]
		if err == nil {
			t.Errorf("%s %q is accepted", tt.part, shown)
			continue
		}
		f := fault.Of(err)
		if f == nil || f.Kind != fault.Invalid || !strings.Contains(why(err), tt.want) {
			t.Errorf("%s %q: %s, want %q", tt.part, shown, why(err), tt.want)
		}
		if f != nil && !strings.Contains(tt.want, "the link") && f.Fields[0].Name != tt.part {
			t.Errorf("%s %q: the fault is of %s", tt.part, shown, f.Fields[0].Name)
		}
	}
}

// Data that no sample has do not make an override slow or large: it fails, and the
// caller uses the repository's.
func TestOverrideWithHugeData(t *testing.T) {
	o, err := repository(t).Override(template.DeadDeliveries.Template, "de", "1", good)
	if err != nil {
		t.Fatal(why(err))
	}
	data := template.DeadDeliveriesData{Organization: "Acme", Since: time.Now(), EventTypes: slices.Repeat([]string{"a"}, 30)}
	if _, err := o.Render(data, frames[0]); err != nil {
		t.Errorf("30 event types: %v", err)
	}
	for name, spoil := range map[string]func(*template.DeadDeliveriesData){
		"a long list": func(d *template.DeadDeliveriesData) { d.EventTypes = slices.Repeat([]string{"a"}, 10_000) },
		"long texts":  func(d *template.DeadDeliveriesData) { d.LastError = strings.Repeat("x", 70<<10) },
	} {
		huge := data
		spoil(&huge)
		if _, err := o.Render(huge, frames[0]); err == nil || !strings.Contains(err.Error(), "too long") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := o.Render(template.MemberAddedData{}, frames[0]); err == nil {
		t.Error("data of another template are accepted")
	}
}

// harm returns what is wrong with a rendered override.
func harm(r template.Rendered) error {
	if strings.ContainsAny(r.Subject, "\r\n\x00") || r.Subject == "" {
		return fmt.Errorf("the subject is %q", r.Subject)
	}
	if n := len(r.Subject) + len(r.HTML) + len(r.Text); n > 256<<10 {
		return fmt.Errorf("%d bytes", n)
	}
	footers := 0
	for n := range nodes(r.HTML) {
		if slices.Contains([]string{"script", "iframe", "form", "input", "object", "embed", "svg", "math", "base", "link"}, n.Data) {
			return fmt.Errorf("there is a %s", n.Data)
		}
		for _, a := range n.Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			if strings.HasPrefix(a.Key, "on") || a.Key != "alt" && a.Key != "title" && strings.HasPrefix(value, "javascript:") || a.Key == "style" && strings.Contains(value, "url(") {
				return fmt.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		if attribute(n, "class") == "footer" && n.Data == "table" {
			for p := n.Parent; p != nil; p = p.Parent {
				if p.Type == html.ElementNode && attribute(p, "class") == "content" {
					return fmt.Errorf("the footer is in the body")
				}
			}
			footers++
		}
	}
	if footers < 1 {
		return fmt.Errorf("there is no footer")
	}
	return nil
}

// Whatever is accepted makes mails without harm, also with data that customers chose.
func FuzzOverride(f *testing.F) {
	f.Add(good.Subject, good.HTML, good.Text)
	for _, tt := range hostileParts {
		if len(tt.text) > 4<<10 {
			continue
		}
		s := good
		*map[string]*string{"subject": &s.Subject, "html": &s.HTML, "text": &s.Text}[tt.part] = tt.text
		f.Add(s.Subject, s.HTML, s.Text)
	}
	set, err := template.Repository()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, subject, body, text string) {
		o, err := set.Override(template.DeadDeliveries.Template, "de", "1", template.Source{Subject: subject, HTML: body, Text: text})
		if err != nil {
			if f := fault.Of(err); f == nil || f.Kind != fault.Invalid {
				t.Fatalf("not a fault: %v", err)
			}
			return
		}
		if err := o.Try(); err != nil {
			return
		}
		for _, name := range hostile {
			data := filled(template.DeadDeliveries.Samples[1].Data, name)
			r, err := o.Render(data, template.Frame{Brand: template.Brand{Name: name, LogoURL: name, Color: name, Support: name}, Organization: name, Unsubscribe: name})
			if err != nil {
				continue // the repository's is sent
			}
			if err := harm(r); err != nil {
				t.Errorf("with %q: %v\n%s\n%s", name, err, body, r.HTML)
			}
		}
	})
}
