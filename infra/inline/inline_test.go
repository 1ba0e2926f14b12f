package inline_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"portico/infra/inline"
)

func source(layout, body string) fstest.MapFS {
	return fstest.MapFS{
		"layout/layout.html": {Data: []byte(layout)},
		"layout/inline.css":  {Data: []byte(".row { color: #112233; padding: 4px }")},
		"layout/media.css":   {Data: []byte("@media (max-width: 480px) { .row { color: red !important } }")},
		"hello/body.html":    {Data: []byte(body)},
	}
}

const layout = `<!doctype html><html lang="{{.Locale}}"><head><title>{{.Subject}}</title></head><body>{{template "body" .}}</body></html>`

// Rules go into style attributes, and every action stays where it was: in texts, in
// attributes, and between the rows of a table.
func TestPage(t *testing.T) {
	page, err := inline.Page(source(layout, `<table><tbody>{{range .Rows}}<tr><td class="row" style="background-color: {{$.Color}}"><a href="{{.URL}}">{{.Name | printf "%q"}}</a></td></tr>{{end}}</tbody></table>`), "hello")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<html lang="{{.Locale}}">`, `<title>{{.Subject}}</title>`,
		`{{range .Rows}}<tr><td class="row" style="color:#112233;padding:4px;background-color:{{$.Color}}"><a href="{{.URL}}">{{.Name | printf "%q"}}</a></td></tr>{{end}}`,
		`@media (max-width: 480px) { .row { color: red !important } }`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %s in\n%s", want, page)
		}
	}
}

// What cannot be inlined is an error that says what to do.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ layout, body, want string }{
		{"<html></html>", "", "must contain"},
		{layout, `<p {{if .A}}class="row"{{end}}>x</p>`, "around the whole element"},
		{layout, `<table>{{if .A}}<tr><td>x</td></tr>{{end}}</table>`, "<tbody>"},
	} {
		if page, err := inline.Page(source(c.layout, c.body), "hello"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q; %s", c.body, err, c.want, page)
		}
	}
}
