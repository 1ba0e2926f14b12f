// Package reference makes the pages that explain the API: the reference, from
// its OpenAPI document, and the guides, from docs/.
package reference

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/yuin/goldmark"

	"portico/shared/api/system"
)

// site has every page by name; the name of the reference is empty.
type site map[string]system.Page

//go:embed assets
var assets embed.FS

// policy lets pages load files from their own origin only. It allows inline
// styles: the renderer sets them on elements, where no hash or nonce can help.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// New makes the pages of an OpenAPI document.
func New(openapi []byte) (map[string]system.Page, error) {
	document, err := parse(openapi)
	if err != nil {
		return nil, err
	}
	made := site{}
	loaded := map[string]string{}
	for _, name := range []string{"scalar.js.gz", "scalar-license.txt", "reference.js", "pages.css"} {
		if loaded[strings.TrimSuffix(name, ".gz")], err = made.asset(name); err != nil {
			return nil, err
		}
	}
	markdown := newMarkdown()
	list, err := readGuides(markdown)
	if err != nil {
		return nil, err
	}
	groups, err := document.groups()
	if err != nil {
		return nil, err
	}
	templates, err := template.New("").Funcs(template.FuncMap{"markdown": rendered(markdown)}).ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, err
	}
	page := map[string]any{"Info": document.Info, "Guides": list, "Groups": groups, "Load": loaded}
	if err := made.page("", templates.Lookup("reference.html"), page); err != nil {
		return nil, err
	}
	for _, g := range list {
		if err := made.page(g.Name, templates.Lookup("guide.html"), map[string]any{"Info": document.Info, "Guides": list, "Guide": g, "Load": loaded}); err != nil {
			return nil, err
		}
	}
	return made, nil
}

var contentTypes = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8",
}

// asset adds a file and returns its name, which changes with the content, so that
// browsers may keep the file for ever.
func (s site) asset(name string) (string, error) {
	body, err := fs.ReadFile(assets, "assets/"+name)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	name, compressed := strings.CutSuffix(name, ".gz")
	kind := path.Ext(name)
	f := system.Page{
		ContentType:  contentTypes[kind],
		CacheControl: "public, max-age=31536000, immutable",
	}
	if compressed {
		f.Compressed = body
	} else {
		f.Body = body
	}
	name = strings.TrimSuffix(name, kind) + "-" + hex.EncodeToString(sum[:8]) + kind
	s[name] = f
	return name, nil
}

func (s site) page(name string, t *template.Template, data any) error {
	var body, compressed bytes.Buffer
	if err := t.Execute(&body, data); err != nil {
		return fmt.Errorf("cannot make the page %q: %w", name, err)
	}
	w := gzip.NewWriter(&compressed)
	if _, err := io.Copy(w, bytes.NewReader(body.Bytes())); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	s[name] = system.Page{
		ContentType: "text/html; charset=utf-8", CacheControl: "public, max-age=300", Policy: policy,
		Body: body.Bytes(), Compressed: compressed.Bytes(),
	}
	return nil
}

// rendered renders the descriptions of the document.
func rendered(markdown goldmark.Markdown) func(string) (template.HTML, error) {
	return func(source string) (template.HTML, error) {
		var out bytes.Buffer
		err := markdown.Convert([]byte(source), &out)
		return template.HTML(out.String()), err //nolint:gosec // our own text; raw HTML in it is dropped
	}
}
