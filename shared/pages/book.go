package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"

	"portico/shared/captcha"
)

// languages are those of the pages; the first is for everybody else.
var languages = []string{"en", "de"}

//go:embed layout.html fault.html leave.html texts
var own embed.FS

// Book has the templates and texts of pages, in each language.
type Book struct {
	views map[string]map[string]*template.Template // by language and name
	style string                                   // its hash, for the policy
	// scripts are our own, by name. A page has one only if its answer names it.
	scripts map[string]script
}

type script struct{ text, hash string }

func newScript(text string) script { return script{text, hashOf(text)} }

// hashOf returns what lets a browser use a text of a page as style or script.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// NewBook reads the *.html of folders, each a view, their *.js, and texts/<language>.json,
// and adds the frame's own. It fails if a text is missing in a language.
func NewBook(areas ...fs.FS) (*Book, error) {
	all := append([]fs.FS{own}, areas...)
	b := &Book{views: map[string]map[string]*template.Template{}, scripts: map[string]script{}}
	texts := map[string]map[string]string{}
	for _, lang := range languages {
		texts[lang] = map[string]string{}
		for _, from := range all {
			if err := readTexts(from, lang, texts[lang]); err != nil {
				return nil, err
			}
		}
		for key := range texts[languages[0]] {
			if texts[lang][key] == "" || len(texts[lang]) != len(texts[languages[0]]) {
				return nil, fmt.Errorf("pages: the texts in %s and %s differ; look for %q", lang, languages[0], key)
			}
		}
		b.views[lang] = map[string]*template.Template{}
		for _, from := range all {
			if err := b.readViews(from, lang, texts[lang]); err != nil {
				return nil, err
			}
		}
	}
	layout, err := own.ReadFile("layout.html")
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(layout), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	b.style = hashOf(style)
	for _, from := range areas {
		if err := b.readScripts(from); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *Book) readScripts(from fs.FS) error {
	files, err := fs.Glob(from, "*.js")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := fs.ReadFile(from, file)
		if err != nil {
			return err
		}
		b.scripts[strings.TrimSuffix(file, ".js")] = newScript(string(text))
	}
	return nil
}

func readTexts(from fs.FS, lang string, into map[string]string) error {
	text, err := fs.ReadFile(from, path.Join("texts", lang+".json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &into)
}

// readViews parses each view together with the layout.
func (b *Book) readViews(from fs.FS, lang string, texts map[string]string) error {
	files, err := fs.Glob(from, "*.html")
	if err != nil {
		return err
	}
	funcs := template.FuncMap{
		"lang": func() string { return lang },
		// t returns a text, with its arguments; a missing one is a 500, which a test sees.
		"t": func(key string, arguments ...any) (string, error) {
			text, ok := texts[key]
			if !ok {
				return "", fmt.Errorf("pages: there is no text %q", key)
			}
			if len(arguments) == 0 {
				return text, nil
			}
			return fmt.Sprintf(text, arguments...), nil
		},
	}
	for _, file := range files {
		view, err := template.New("layout.html").Funcs(funcs).ParseFS(own, "layout.html")
		if err == nil && file != "layout.html" {
			view, err = view.ParseFS(from, file)
		}
		if err != nil {
			return err
		}
		b.views[lang][strings.TrimSuffix(file, ".html")] = view
	}
	return nil
}

var errNoView = errors.New("pages: there is no such view or script")

// write writes a page.
func (b *Book) write(w io.Writer, v *Visit, a Answer) error {
	view := b.views[v.lang][a.View]
	own, known := b.scripts[a.Script]
	if view == nil || !known && a.Script != "" {
		return fmt.Errorf("%w: %q, %q", errNoView, a.View, a.Script)
	}
	return view.Execute(w, struct {
		*Visit
		Title  string
		Data   any
		Script template.JS
	}{v, a.Title, a.Data, template.JS(own.text)}) //nolint:gosec // it is a file of ours
}

// policy lets a browser use nothing but the page's own style, the one script of ours that
// the page names, and, if it shows a CAPTCHA, what its vendor needs.
func (b *Book) policy(shown *captcha.Shown, own, leads string) string {
	rest := "; form-action 'self'" + leads + "; frame-ancestors 'none'; base-uri 'none'"
	script := b.scripts[own].hash
	switch {
	case shown == nil && script == "":
		return "default-src 'none'; style-src " + b.style + rest
	case shown == nil:
		return "default-src 'none'; style-src " + b.style + "; script-src " + script + rest
	case script != "":
		script = " " + script
	}
	s := " " + shown.Sources
	return "default-src 'none'; style-src " + b.style + s + "; script-src" + script + s + "; frame-src" + s + "; connect-src" + s + rest
}
