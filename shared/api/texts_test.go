package api

import (
	"strings"
	"testing"
	"testing/fstest"
)

// A description gets the text of its heading, with what follows the heading
// behind it. A heading that has no text, stands twice, is missing, or for which
// nothing in Go stands, is an error: so the API is documented with all texts or
// not at all.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, markdown, description, want, wrong string }{
		{"a text", "## a.b\n\nOne.\n\nTwo.\n", "#a.b", "One.\n\nTwo.", ""},
		{"with more behind it", "## a\n\nOne.\n", "#a\n\nPermission: x", "One.\n\nPermission: x", ""},
		{"no heading", "", "Number #a is one.", "Number #a is one.", ""},
		{"a missing heading", "", "#a", "", `no Markdown has the heading "a"`},
		{"an unused heading", "## a\n\nOne.\n\n## b\n\nTwo.\n", "#a", "One.", `nothing in Go stands for the heading "b"`},
		{"a heading twice", "## a\n\nOne.\n\n## a\n\nTwo.\n", "#a", "", `"a" is empty, has no text, or stands twice`},
		{"a heading without a text", "## a\n\n## b\n\nTwo.\n", "#a", "", `"a" is empty, has no text, or stands twice`},
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
