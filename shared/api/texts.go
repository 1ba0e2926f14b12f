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

	"portico/shared/api/account"
	"portico/shared/api/audit"
	"portico/shared/api/edge"
	"portico/shared/api/events"
	"portico/shared/api/invitations"
	"portico/shared/api/jobs"
	"portico/shared/api/keys"
	"portico/shared/api/limits"
	"portico/shared/api/mail"
	"portico/shared/api/oauth"
	"portico/shared/api/organizations"
	"portico/shared/api/people"
	"portico/shared/api/schedules"
	"portico/shared/api/sso"
	"portico/shared/api/staff"
	"portico/shared/api/stream"
	"portico/shared/api/users"
	"portico/shared/api/webhooks"
)

//go:embed describe.md
var ownTexts embed.FS

// texts are the descriptions that are too long for Go code. They are in Markdown:
// a description #heading in Go is replaced by the text below ## heading. Only the
// code that documents the API reads them.
type texts struct {
	below  map[string]string // by heading
	used   map[string]bool
	faults []error
}

func readTexts() (*texts, error) {
	return newTexts(edge.Texts, account.Texts, webhooks.Texts, events.Texts, stream.Texts, keys.Texts, limits.Texts, organizations.Texts, people.Texts, invitations.Texts, audit.Texts, schedules.Texts, jobs.Texts, mail.Texts, oauth.Texts, sso.Texts, staff.Texts, users.Texts, ownTexts)
}

// newTexts reads the Markdown of all folders. Each heading must be unique.
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
					return nil, fmt.Errorf("%s: the heading %q is empty, has no text, or is used twice", name, heading)
				}
				t.below[heading] = text
			}
		}
	}
	return t, nil
}

var headingAtStart = regexp.MustCompile(`^#([A-Za-z_.-]*[A-Za-z])`)

// fill replaces the heading at the start of a description by its text.
func (t *texts) fill(description *string) {
	found := headingAtStart.FindStringSubmatch(*description)
	if found == nil {
		return
	}
	text, ok := t.below[found[1]]
	if !ok {
		t.faults = append(t.faults, fmt.Errorf("no Markdown file has the heading %q", found[1]))
	}
	t.used[found[1]] = true
	*description = text + strings.TrimPrefix(*description, found[0])
}

// check returns an error for every heading that is missing or that no
// description in Go uses.
func (t *texts) check() error {
	for _, heading := range slices.Sorted(maps.Keys(t.below)) {
		if !t.used[heading] {
			t.faults = append(t.faults, fmt.Errorf("no description in Go uses the heading %q", heading))
		}
	}
	return errors.Join(t.faults...)
}
