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
}

// NewBook reads the *.html of a folder, each a view, and texts/<language>.json, and
// adds the frame's own. It fails if a text is missing in a language.
func NewBook(area fs.FS) (*Book, error) {
	b := &Book{views: map[string]map[string]*template.Template{}}
	texts := map[string]map[string]string{}
	for _, lang := range languages {
		texts[lang] = map[string]string{}
		for _, from := range []fs.FS{own, area} {
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
		for _, from := range []fs.FS{own, area} {
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
	sum := sha256.Sum256([]byte(style))
	b.style = "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	return b, nil
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

var errNoView = errors.New("pages: there is no such view")

// write writes a page.
func (b *Book) write(w io.Writer, v *Visit, a Answer) error {
	view := b.views[v.lang][a.View]
	if view == nil {
		return fmt.Errorf("%w: %q", errNoView, a.View)
	}
	return view.Execute(w, struct {
		*Visit
		Title string
		Data  any
	}{v, a.Title, a.Data})
}

// policy lets a browser load nothing but the page's own style and, if it shows a
// CAPTCHA, what its vendor needs.
func (b *Book) policy(shown *captcha.Shown) string {
	const rest = "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	if shown == nil {
		return "default-src 'none'; style-src " + b.style + rest
	}
	s := " " + shown.Sources
	return "default-src 'none'; style-src " + b.style + s + "; script-src" + s + "; frame-src" + s + "; connect-src" + s + rest
}
