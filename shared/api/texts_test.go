package api

import (
	"strings"
	"testing"
	"testing/fstest"
)

// The heading of a description is replaced by its text; the rest of the
// description stays. A heading without text, a repeated, a missing or an unused
// heading is an error, so the documentation never lacks a text.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, markdown, description, want, wrong string }{
		{"a text", "## a.b\n\nOne.\n\nTwo.\n", "#a.b", "One.\n\nTwo.", ""},
		{"with more behind it", "## a\n\nOne.\n", "#a\n\nPermission: x", "One.\n\nPermission: x", ""},
		{"no heading", "", "Number #a is one.", "Number #a is one.", ""},
		{"a missing heading", "", "#a", "", `no Markdown file has the heading "a"`},
		{"an unused heading", "## a\n\nOne.\n\n## b\n\nTwo.\n", "#a", "One.", `no description in Go uses the heading "b"`},
		{"a heading twice", "## a\n\nOne.\n\n## a\n\nTwo.\n", "#a", "", `"a" is empty, has no text, or is used twice`},
		{"a heading without a text", "## a\n\n## b\n\nTwo.\n", "#a", "", `"a" is empty, has no text, or is used twice`},
		{"a text before the first heading", "One.\n", "#a", "", `"" is empty`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := newTexts(fstest.MapFS{"x.md": {Data: []byte(tt.markdown)}})
			got := tt.description
			if err == nil {
				text.fill(&got)
				err = text.check()
			}
			if tt.wrong == "" && (err != nil || got != tt.want) {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
			if tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("error %v, want %s", err, tt.wrong)
			}
		})
	}
}
