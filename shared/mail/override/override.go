// Package override keeps what staff write instead of the repository's mail
// templates. Every text that was saved is a version; versions are never changed and
// never removed. What is published is a list of its own, so that it can be rolled
// back and shows who did what when. All of it is in the home database.
package override

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/shared/fault"
	"portico/shared/mail/template"
	"portico/shared/pg"
)

// Variant is a template in a language: what an override is for.
type Variant struct {
	Template string // its name
	Locale   string
}

func (v Variant) String() string { return v.Template + " " + v.Locale }

// Author is who saved or published something.
type Author struct {
	ID   string // in the form of audit_entry.actor_id
	Name string // at that time
}

// Version is one text that was saved.
type Version struct {
	Variant
	Number    int // from 1, for each variant
	CreatedAt time.Time
	By        Author
	Note      string // what it is about, for people; may be empty
	Source    template.Source
}

// Name is how the log of mails calls a version.
func Name(number int) string { return fmt.Sprintf("override-%d", number) }

// NameOf is Name, or repository for 0.
func NameOf(number int) string {
	if number == 0 {
		return "repository"
	}
	return Name(number)
}

// The faults.
var (
	ErrNoTemplate = fault.New(fault.NotFound, "mail_template_not_found", "There is no mail template with this name.").
			Means("There is no mail template with this name. The list of the templates has their names.")
	ErrNoVersion = fault.New(fault.NotFound, "mail_template_version_not_found", "There is no such version of the mail template in this language.").
			Means("There is no such version of the mail template in this language. Each language has versions of its own.")
	ErrMeanwhile = fault.New(fault.Conflict, "mail_template_changed", "Somebody else published another version in the meantime. Read the template and decide again.").
			Means("Somebody else saved or published a version of the mail template in the meantime: read it and decide again.")
	ErrNothing = fault.New(fault.Conflict, "mail_template_not_overridden", "The repository's template is what is sent. There is nothing to roll back.").
			Means("The repository's mail template is what is sent, so there is nothing to roll back.")
)

// Find returns a template of the repository.
func Find(name string) (*template.Template, error) {
	if t := template.Named(name); t != nil {
		return t, nil
	}
	return nil, ErrNoTemplate
}

// Check parses a source and renders all samples with it. What is wrong is a fault
// that names the field.
func Check(set *template.Set, v Variant, number int, source template.Source) (*template.Override, error) {
	t, err := Find(v.Template)
	if err != nil {
		return nil, err
	}
	o, err := set.Override(t, v.Locale, Name(number), source)
	if err != nil {
		return nil, err
	}
	return o, o.Try()
}

// Insert saves a new version, whose number it returns. The source must be checked.
func Insert(ctx context.Context, tx pg.Querier, v Version) (Version, error) {
	for range 3 { // somebody else may save at the same time and get the number
		saved, err := pg.One[row](ctx, tx, "override.Insert", errTaken, `
			INSERT INTO mail_template_override (template, locale, version, created_by, created_by_name, note, subject, html, text)
			SELECT $1, $2, 1 + coalesce(max(version), 0), $3, $4, $5, $6, $7, $8
			FROM mail_template_override WHERE template = $1 AND locale = $2
			ON CONFLICT DO NOTHING RETURNING `+columns,
			v.Template, v.Locale, v.By.ID, v.By.Name, v.Note, v.Source.Subject, v.Source.HTML, v.Source.Text)
		if !errors.Is(err, errTaken) {
			return saved.version(), err
		}
	}
	return Version{}, ErrMeanwhile
}

var errTaken = errors.New("override: the number is taken")

const columns = `template, locale, version, created_at, created_by, created_by_name, note, subject, html, text`

type row struct {
	Template, Locale          string
	Version                   int
	CreatedAt                 time.Time
	CreatedBy, CreatedByName  string
	Note, Subject, HTML, Text string
}

func (r row) version() Version {
	return Version{
		Variant: Variant{r.Template, r.Locale}, Number: r.Version, CreatedAt: r.CreatedAt, By: Author{r.CreatedBy, r.CreatedByName},
		Note: r.Note, Source: template.Source{Subject: r.Subject, HTML: r.HTML, Text: r.Text},
	}
}

// Get returns a version.
func Get(ctx context.Context, q pg.Querier, v Variant, number int) (Version, error) {
	r, err := pg.One[row](ctx, q, "override.Get", ErrNoVersion, `
		SELECT `+columns+` FROM mail_template_override WHERE template = $1 AND locale = $2 AND version = $3`, v.Template, v.Locale, number)
	return r.version(), err
}

// List returns versions of a variant without their texts, the newest first: those
// before a number; 0: from the newest.
func List(ctx context.Context, q pg.Querier, v Variant, before, limit int) ([]Version, error) {
	rows, err := pg.List[row](ctx, q, "override.List", `
		SELECT template, locale, version, created_at, created_by, created_by_name, note, '' AS subject, '' AS html, '' AS text
		FROM mail_template_override WHERE template = $1 AND locale = $2 AND ($3 = 0 OR version < $3) ORDER BY version DESC LIMIT $4`,
		v.Template, v.Locale, before, limit)
	list := make([]Version, len(rows))
	for i, r := range rows {
		list[i] = r.version()
	}
	return list, err
}
