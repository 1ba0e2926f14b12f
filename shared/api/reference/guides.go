package reference

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"portico/docs"
)

// guides are the names of the guides' files, in the order of the navigation.
var guides = []string{"receiving-webhooks", "errors", "endpoints", "event-types", "event-stream", "organizations", "limits", "permissions", "audit", "audit-streams"}

// guide is a document of docs/ as a page.
type guide struct {
	Name, Title string
	Body        template.HTML
}

func newMarkdown() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.Table),
		goldmark.WithParserOptions(parser.WithAutoHeadingID(), parser.WithASTTransformers(util.Prioritized(pages{}, 500))),
	)
}

// readGuides renders all guides.
func readGuides(markdown goldmark.Markdown) ([]guide, error) {
	var list []guide
	for _, name := range guides {
		source, err := fs.ReadFile(docs.Guides, name+".md")
		if err != nil {
			return nil, err
		}
		var body bytes.Buffer
		if err := markdown.Convert(source, &body); err != nil {
			return nil, fmt.Errorf("cannot render the guide %s: %w", name, err)
		}
		first, _, _ := strings.Cut(string(source), "\n")
		title, _, _ := strings.Cut(strings.TrimPrefix(first, "# "), ":")
		// Long lines can be scrolled with the keyboard too.
		page := strings.ReplaceAll(body.String(), "<pre>", `<pre tabindex="0">`)
		list = append(list, guide{Name: name, Title: title, Body: template.HTML(page)}) //nolint:gosec // our own text; raw HTML in it is dropped
	}
	return list, nil
}

// pages adapts documents of the repository to the site: links lead to pages, and
// table rows that begin with a code get an id, so that links can lead to them.
type pages struct{}

var (
	codeForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	linkForm = regexp.MustCompile(`^([a-z-]+)\.md(#.*)?$`)
)

// Transform implements parser.ASTTransformer.
func (pages) Transform(root *ast.Document, reader text.Reader, _ parser.Context) {
	var elsewhere []ast.Node
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function gives no error
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			if !toPage(n) {
				elsewhere = append(elsewhere, n)
			}
		case *ast.AutoLink:
			if !strings.HasPrefix(string(n.URL(reader.Source())), "https://") {
				elsewhere = append(elsewhere, n)
			}
		case *extast.TableRow:
			if code, ok := n.FirstChild().FirstChild().(*ast.CodeSpan); ok {
				if id := codeText(code, reader.Source()); codeForm.MatchString(id) {
					n.SetAttributeString("id", []byte(id))
				}
			}
		}
		return ast.WalkContinue, nil
	})
	for _, link := range elsewhere {
		unwrap(link, reader.Source())
	}
}

// toPage changes a link so that it leads to a page of the site. It reports false
// if the link leads neither to a page nor to https.
func toPage(link *ast.Link) bool {
	to := string(link.Destination)
	m := linkForm.FindStringSubmatch(to)
	switch {
	case to == "http://127.0.0.1:8080/docs":
		link.Destination = []byte("/docs")
	case m != nil && isGuide(m[1]):
		link.Destination = []byte("/docs/" + m[1] + m[2])
	default:
		return strings.HasPrefix(to, "https://") || strings.HasPrefix(to, "#")
	}
	return true
}

func isGuide(name string) bool {
	for _, g := range guides {
		if g == name {
			return true
		}
	}
	return false
}

// unwrap replaces a link by its text.
func unwrap(link ast.Node, source []byte) {
	parent := link.Parent()
	if address, ok := link.(*ast.AutoLink); ok {
		parent.ReplaceChild(parent, link, ast.NewString(address.Label(source)))
		return
	}
	for child := link.FirstChild(); child != nil; child = link.FirstChild() {
		parent.InsertBefore(parent, link, child)
	}
	parent.RemoveChild(parent, link)
}

func codeText(code *ast.CodeSpan, source []byte) string {
	var out strings.Builder
	for child := code.FirstChild(); child != nil; child = child.NextSibling() {
		if t, ok := child.(*ast.Text); ok {
			out.Write(t.Segment.Value(source))
		}
	}
	return out.String()
}
