// Package inline makes the HTML pages of mail templates: it puts the body into the
// layout, and the rules of the style sheet into the elements' style attributes,
// because several mail programs ignore style elements. It runs on a developer's
// machine only; functions hold the finished pages.
package inline

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/vanng822/go-premailer/premailer"
)

const body = `{{template "body" .}}`

// Page returns the page of one template as a Go template. source is the folder of
// the templates, such as os.DirFS("shared/mail/template").
func Page(source fs.FS, name string) (string, error) {
	content, err := fs.ReadFile(source, name+"/body.html")
	if err != nil {
		return "", err
	}
	return around(source, name, string(content))
}

// Layout returns the page without a body: it calls the template body.
func Layout(source fs.FS) (string, error) { return around(source, "layout", body) }

// around returns the page with a body.
func around(source fs.FS, name, content string) (string, error) {
	var files [3]string
	for i, path := range []string{"layout/layout.html", "layout/inline.css", "layout/media.css"} {
		text, err := fs.ReadFile(source, path)
		if err != nil {
			return "", err
		}
		files[i] = string(text)
	}
	layout, sheet, media := files[0], files[1], files[2]
	if strings.Count(layout, body) != 1 {
		return "", fmt.Errorf("layout/layout.html must contain %s once", body)
	}
	page, actions, err := hide(strings.Replace(layout, body, content, 1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	// What depends on the screen cannot be inlined and stays in a style element.
	page = strings.Replace(page, "</head>", "<style>"+sheet+"</style>\n<style data-premailer=\"ignore\">\n"+media+"</style>\n</head>", 1)
	inliner, err := premailer.NewPremailerFromString(page, &premailer.Options{RemoveClasses: false})
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if page, err = inliner.Transform(); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if strings.Count(page, "<tbody") != strings.Count(content+layout, "<tbody") {
		return "", fmt.Errorf("%s: a table has no <tbody>: write it, so that an action cannot come before its start and end after it", name)
	}
	page = strings.ReplaceAll(page, ` data-premailer="ignore"`, "")
	return show(page, actions)
}

var (
	action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	hidden = regexp.MustCompile(`<!--action-(\d+)-->|action-(\d+)-end`)
)

// hide replaces each action by something that a parser of HTML keeps where it is:
// by a word in a tag and in the title, by a comment elsewhere, because text is not
// allowed between the rows of a table.
func hide(page string) (string, []string, error) {
	var out strings.Builder
	var actions []string
	inTag, last := false, 0
	for _, at := range action.FindAllStringIndex(page, -1) {
		before := page[last:at[0]]
		if open, end := strings.LastIndexByte(before, '<'), strings.LastIndexByte(before, '>'); open != end {
			inTag = open > end
		}
		inTitle := strings.HasSuffix(before, "<title>")
		out.WriteString(before)
		form := "<!--action-%d-->"
		if inTag || inTitle {
			form = "action-%d-end"
		}
		if inTag && strings.HasPrefix(page[at[0]:], "{{if") {
			return "", nil, fmt.Errorf("%s stands in a tag: put it around the whole element", page[at[0]:at[1]])
		}
		fmt.Fprintf(&out, form, len(actions))
		actions = append(actions, page[at[0]:at[1]])
		last = at[1]
	}
	out.WriteString(page[last:])
	return out.String(), actions, nil
}

// show puts the actions back. Each must be there once, in its order.
func show(page string, actions []string) (string, error) {
	found := 0
	page = hidden.ReplaceAllStringFunc(page, func(match string) string {
		groups := hidden.FindStringSubmatch(match)
		n, err := strconv.Atoi(groups[1] + groups[2])
		if err != nil || n >= len(actions) {
			return match
		}
		found++
		return actions[n]
	})
	if found != len(actions) {
		return "", fmt.Errorf("of %d actions %d are left after inlining: the HTML is not valid where one is missing", len(actions), found)
	}
	return page, nil
}
