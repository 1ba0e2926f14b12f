package api

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"portico/shared/api/audit"
	"portico/shared/api/edge"
	"portico/shared/api/events"
	"portico/shared/api/keys"
	"portico/shared/api/organizations"
	"portico/shared/api/people"
	"portico/shared/api/webhooks"
)

//go:embed describe.md
var ownTexts embed.FS

// texts are the descriptions that are too long to stand in Go: there a
// description that begins with #heading has the text in its place that stands in
// Markdown below ## heading. Only what documents the API reads them.
type texts struct {
	below  map[string]string // by heading
	used   map[string]bool
	faults []error
}

func readTexts() (*texts, error) {
	return newTexts(edge.Texts, webhooks.Texts, events.Texts, keys.Texts, organizations.Texts, people.Texts, audit.Texts, ownTexts)
}

// newTexts reads the Markdown of all folders. A heading stands once in all.
func newTexts(folders ...fs.FS) (*texts, error) {
	t := &texts{below: map[string]string{}, used: map[string]bool{}}
	for _, folder := range folders {
		names, err := fs.Glob(folder, "*.md")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			markdown, err := fs.ReadFile(folder, name)
			if err != nil {
				return nil, err
			}
			for section := range strings.SplitSeq("\n"+string(markdown), "\n## ") {
				heading, text, _ := strings.Cut(section, "\n")
				if text = strings.TrimSpace(text); heading == "" && text == "" {
					continue
				}
				if heading == "" || text == "" || t.below[heading] != "" {
					return nil, fmt.Errorf("%s: the heading %q is empty, has no text, or stands twice", name, heading)
				}
				t.below[heading] = text
			}
		}
	}
	return t, nil
}

var headingAtStart = regexp.MustCompile(`^#([A-Za-z_.-]*[A-Za-z])`)

// fill puts the text in the place of the heading that a description begins with.
func (t *texts) fill(description *string) {
	found := headingAtStart.FindStringSubmatch(*description)
	if found == nil {
		return
	}
	text, ok := t.below[found[1]]
	if !ok {
		t.faults = append(t.faults, fmt.Errorf("no Markdown has the heading %q", found[1]))
	}
	t.used[found[1]] = true
	*description = text + strings.TrimPrefix(*description, found[0])
}

// check returns which headings are missing, and which nothing in Go stands for.
func (t *texts) check() error {
	for _, heading := range slices.Sorted(maps.Keys(t.below)) {
		if !t.used[heading] {
			t.faults = append(t.faults, fmt.Errorf("nothing in Go stands for the heading %q", heading))
		}
	}
	return errors.Join(t.faults...)
}
