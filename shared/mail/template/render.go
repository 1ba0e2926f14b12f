package template

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"

	"portico/shared/name"
)

// maxSubject is how many characters of a subject mail programs show at most.
const maxSubject = 78

// Frame is what stands around every mail.
type Frame struct {
	Brand        Brand
	Organization string // its display name: why the recipient gets this mail. Mail about accounts does not show it
	Unsubscribe  string // a URL; "" for critical mail
}

// Rendered is a mail's content.
type Rendered struct {
	Subject    string
	HTML, Text string
	Locale     string // in which it was rendered
	Version    string // of the template: changes with its files
}

// page is what templates see.
type page struct {
	Template, Locale, Subject string
	Brand                     shownBrand
	Organization, Unsubscribe string
	Data                      any
}

// Render renders a content in the language nearest to locale. It fails only if the
// template and the data do not fit together.
func (s *Set) Render(content Content, locale string, frame Frame) (Rendered, error) {
	t := content.Template
	locale = s.messages.nearest(locale)
	get := s.compiled[variant{t.Name, locale}]
	if get == nil {
		return Rendered{}, fmt.Errorf("template: there is no template %q", t.Name)
	}
	c, err := get()
	if err != nil {
		return Rendered{}, err
	}
	return c.render(pageOf(t, locale, content.Data, frame), math.MaxInt)
}

// pageOf returns what templates see.
func pageOf(t *Template, locale string, data any, frame Frame) page {
	frame = clean(frame).(Frame)
	if t.Account {
		frame.Organization = ""
	}
	return page{
		Template: t.Name, Locale: locale, Brand: frame.Brand.shown(),
		Organization: frame.Organization, Unsubscribe: frame.Unsubscribe, Data: clean(data),
	}
}

// render renders the parts, which have at most limit bytes together.
func (c *compiled) render(p page, limit int) (Rendered, error) {
	out := &output{left: limit}
	if err := c.subject.Execute(out, p); err != nil {
		return Rendered{}, &partError{"subject", err}
	}
	p.Subject = Shorten(strings.TrimSpace(out.take()))
	r := Rendered{Subject: p.Subject, Locale: p.Locale, Version: c.version}
	if err := c.text.Execute(out, p); err != nil {
		return Rendered{}, &partError{"text", err}
	}
	r.Text = tidy(out.take())
	if err := c.html.Execute(out, p); err != nil {
		return Rendered{}, &partError{"html", err}
	}
	r.HTML = out.take()
	return r, nil
}

// partError says which part of a template could not be rendered.
type partError struct {
	part string // subject, html or text
	err  error
}

func (e *partError) Error() string { return "template: " + e.part + ": " + e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

// Shorten cuts a subject that is too long: an organization's name may be.
func Shorten(subject string) string {
	if runes := []rune(subject); len(runes) > maxSubject {
		return strings.TrimSpace(string(runes[:maxSubject-1])) + "…"
	}
	return subject
}

var gaps = regexp.MustCompile(`\n{3,}`)

// tidy removes the empty lines that conditions leave.
func tidy(text string) string {
	return strings.TrimSpace(gaps.ReplaceAllString(text, "\n\n")) + "\n"
}

// clean returns a copy of data in which every text is one line without characters
// that change how others look: in a text part nothing else would keep a name from
// adding lines of its own.
func clean(data any) any {
	v := reflect.New(reflect.TypeOf(data)).Elem()
	v.Set(reflect.ValueOf(data))
	cleanValue(v)
	return v.Interface()
}

func cleanValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(name.Clean(v.String()))
	case reflect.Slice:
		copied := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(copied, v)
		v.Set(copied)
		for i := range v.Len() {
			cleanValue(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				cleanValue(v.Field(i))
			}
		}
	}
}
