package template

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"reflect"
	"slices"
	"strings"
	texttemplate "text/template"
	"unicode"
	"unicode/utf8"

	"portico/shared/fault"
	"portico/shared/name"
)

// Source is what a template says, as a person writes it.
type Source struct{ Subject, HTML, Text string }

// How large the parts of an override may be, in bytes.
const (
	maxSubjectSource = 1 << 10
	maxBodySource    = 128 << 10
)

// Override is what a template says instead of the repository's files, in one
// language. It was checked: it reads the template's own data only, has no markup
// that could do harm, and what it costs to render is bounded. It is safe for
// concurrent use.
type Override struct {
	template *Template
	locale   string
	compiled compiled
	steps    map[string]budget // by part
}

// Source returns what the repository's template says. It is the same in all
// languages.
func (s *Set) Source(t *Template) (Source, error) {
	var texts [3]string
	for i, file := range []string{"/subject.txt", "/body.html", "/body.txt"} {
		text, err := repository.ReadFile(t.Name + file)
		if err != nil {
			return Source{}, fmt.Errorf("template: %w", err)
		}
		texts[i] = string(text)
	}
	return Source{strings.TrimSpace(texts[0]), texts[1], texts[2]}, nil
}

// Override checks and parses a source. What is wrong with it is a fault that names
// subject, html or text, and the line.
func (s *Set) Override(t *Template, locale, version string, source Source) (*Override, error) {
	if !slices.Contains(s.Locales(), locale) {
		return nil, fault.InvalidField("locale", "must be one of "+strings.Join(s.Locales(), ", "))
	}
	o := &Override{template: t, locale: locale, compiled: compiled{version: version}, steps: map[string]budget{}}
	functions := s.messages.functions(locale)
	tree := func(field, text string, limit int) (*checked, error) {
		if err := checkText(field, text, limit); err != nil {
			return nil, err
		}
		c, err := check(t, functions, field, text)
		if err == nil {
			o.steps[field] = c.steps
		}
		return c, err
	}
	subject, err1 := tree("subject", source.Subject, maxSubjectSource)
	html, err2 := tree("html", source.HTML, maxBodySource)
	text, err3 := tree("text", source.Text, maxBodySource)
	body := ""
	if err2 == nil {
		body, err2 = html.markup(s.styles)
	}
	if err := fault.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return o, o.parse(functions, subject.source(), body, text.source())
}

// parse parses the parts with the repository's layout around the bodies.
func (o *Override) parse(functions map[string]any, subject, html, text string) (err error) {
	layouts := [2]string{}
	for i, file := range []string{"inlined/layout.html", "layout/layout.txt"} {
		layout, err := repository.ReadFile(file)
		if err != nil {
			return fmt.Errorf("template: %w", err)
		}
		layouts[i] = string(layout)
	}
	c := &o.compiled
	if c.subject, err = texttemplate.New("subject").Option("missingkey=error").Funcs(functions).Parse(subject); err != nil {
		return refusal("subject", err)
	}
	if c.text, err = texttemplate.New("layout").Option("missingkey=error").Funcs(functions).Parse(layouts[1]); err != nil {
		return fmt.Errorf("template: layout/layout.txt: %w", err)
	}
	if _, err = c.text.New("body").Parse(text); err != nil {
		return refusal("text", err)
	}
	if c.html, err = htmltemplate.New("page").Option("missingkey=error").Funcs(functions).Parse(layouts[0]); err != nil {
		return fmt.Errorf("template: inlined/layout.html: %w", err)
	}
	if _, err = c.html.New("body").Parse(html); err != nil {
		return refusal("html", err)
	}
	return nil
}

// checkText refuses what no part of a mail can contain.
func checkText(field, text string, limit int) error {
	switch {
	case len(text) > limit:
		return fault.InvalidField(field, fmt.Sprintf("must have at most %d KiB", limit>>10))
	case strings.TrimSpace(text) == "":
		return fault.InvalidField(field, "must not be empty")
	case !utf8.ValidString(text):
		return fault.InvalidField(field, "must be UTF-8")
	case field == "subject" && name.Check(strings.TrimSpace(text)) != nil:
		return fault.InvalidField(field, name.Check(text).Error())
	}
	for i, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Co, r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError {
			return problemAt(field, lineOf(text, i), fmt.Sprintf("contains the character U+%04X, which is not allowed", r))
		}
	}
	return nil
}

// Render renders the data of a mail. An error means that the repository's template
// must be used instead.
func (o *Override) Render(data any, frame Frame) (r Rendered, err error) {
	defer func() { // whatever gets past the checks must not end the process
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("template: override %s of %s panicked: %v", o.compiled.version, o.template.Name, panicked)
		}
	}()
	if want := reflect.TypeOf(o.template.Samples[0].Data); reflect.TypeOf(data) != want {
		return r, fmt.Errorf("template: the data of %s are a %T", o.template.Name, data)
	}
	p := pageOf(o.template, o.locale, data, frame)
	if err := o.affordable(p); err != nil {
		return r, err
	}
	if r, err = o.compiled.render(p, maxOutput); err != nil {
		return r, err
	}
	if r.Subject == "" || name.Check(r.Subject) != nil {
		return r, fault.InvalidField("subject", "is empty or not one line of text")
	}
	return r, nil
}

// Try renders all samples and checks what every mail needs. What is wrong is a fault
// that names the part and the sample.
func (o *Override) Try() error {
	for _, sample := range o.template.Samples {
		for _, frame := range SampleFrames(o.template) {
			r, err := o.Render(sample.Data, frame)
			if err == nil {
				err = examine(r)
			}
			if err != nil {
				return inSample(sample.Name, err)
			}
		}
	}
	return nil
}

// SampleFrames are what stands around the samples of a template: everything, and as
// little as possible.
func SampleFrames(t *Template) []Frame {
	full := Frame{Brand: Brand{Name: "Acme", Color: "#0f766e", Support: "help@acme.example"}, Organization: "Acme"}
	if t.Category != "" {
		full.Unsubscribe = "https://portico.example.com/u/token"
	}
	return []Frame{full, {Brand: Brand{Name: "Portico"}, Organization: "Acme"}}
}

// inSample says with which sample an override failed.
func inSample(sample string, err error) error {
	if f := fault.Of(err); f != nil && len(f.Fields) == 1 {
		return fault.InvalidField(f.Fields[0].Name, fmt.Sprintf("with the sample %q: %s", sample, f.Fields[0].Message))
	}
	field, message := "html", err.Error()
	if part := new(partError); errors.As(err, &part) {
		field, message = part.part, part.err.Error()
	}
	return fault.InvalidField(field, fmt.Sprintf("with the sample %q: %s", sample, strings.TrimPrefix(message, "template: ")))
}

// examine checks a rendered sample.
func examine(r Rendered) error {
	switch {
	case strings.Contains(r.HTML, "ZgotmplZ"):
		return fault.InvalidField("html", "a value does not fit in its place: in a link only web addresses can stand, in a style only colours and sizes")
	}
	for _, link := range links(r.HTML) {
		if strings.HasPrefix(link, "mailto:") {
			continue
		}
		if !strings.HasPrefix(link, "https://") {
			return fault.InvalidField("html", "the link "+link+" is no address that begins with https://")
		}
		if !strings.Contains(r.Text, link) {
			return fault.InvalidField("text", "must have the link "+link+" too, for those who do not see the HTML")
		}
	}
	return nil
}
