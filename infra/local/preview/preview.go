// Package preview renders the mail templates as they are on the disk, so that a
// person sees a change when it is saved.
package preview

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"portico/infra/inline"
	"portico/shared/fault"
	"portico/shared/mail/override"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/pg"
)

// View is what is shown, and what else there is to choose.
type View struct {
	Templates, Samples, Locales []string
	Template, Sample, Locale    string
	Plain                       bool // without a logo, a colour and a link to unsubscribe
	Phone                       bool // in the width of a phone
	Form                        string
	Forms                       []string

	Version  string   // of an override; "": as it is on the disk
	Versions []string // what staff have saved in this language, the newest first
	Sent     string   // the version that is published; "": none

	Mail   template.Rendered
	Source string // the mail as it goes over the wire
	Error  string // why a template cannot be rendered
}

// forms are in what the mail can be shown.
var forms = []string{"HTML", "text", "source"}

// Look renders the template that a query names, or the first one. folder is that of
// the templates; home is the database with the overrides, or nil.
func Look(ctx context.Context, folder string, home pg.Querier, query url.Values) View {
	v := View{Form: "HTML", Forms: forms, Phone: query.Get("width") == "phone", Plain: query.Get("frame") == "plain"}
	if form := query.Get("form"); slices.Contains(forms, form) {
		v.Form = form
	}
	chosen := template.All()[0]
	for _, t := range template.All() {
		v.Templates = append(v.Templates, t.Name)
		if t.Name == query.Get("template") {
			chosen = t
		}
	}
	v.Template = chosen.Name
	sample := chosen.Samples[0]
	for _, s := range chosen.Samples {
		v.Samples = append(v.Samples, s.Name)
		if s.Name == query.Get("sample") {
			sample = s
		}
	}
	v.Sample = sample.Name
	content := template.Content{Template: chosen, Data: sample.Data}
	set, err := v.load(folder, query.Get("locale"))
	if err == nil {
		err = v.list(ctx, home, query.Get("version"))
	}
	if err == nil {
		err = v.render(ctx, set, home, content)
	}
	if err != nil {
		v.Error = err.Error()
	}
	if f := fault.Of(err); f != nil {
		for _, field := range f.Fields {
			v.Error += "\n" + field.Name + ": " + field.Message
		}
	}
	return v
}

// load reads the templates and sets the language.
func (v *View) load(folder, locale string) (*template.Set, error) {
	source := os.DirFS(folder)
	set, err := template.Load(source, func(name string) (string, error) { return inline.Page(source, name) })
	if err != nil {
		return nil, err
	}
	v.Locales, v.Locale = set.Locales(), set.Nearest(locale)
	return set, nil
}

// list sets which versions there are, and the chosen one.
func (v *View) list(ctx context.Context, home pg.Querier, chosen string) error {
	if home == nil {
		return nil
	}
	variant := override.Variant{Template: v.Template, Locale: v.Locale}
	saved, err := override.List(ctx, home, variant, 0, 20)
	if err != nil {
		return err
	}
	for _, one := range saved {
		number := strconv.Itoa(one.Number)
		v.Versions = append(v.Versions, number)
		if number == chosen {
			v.Version = chosen
		}
	}
	current, err := override.Current(ctx, home, variant)
	if current.Version > 0 {
		v.Sent = strconv.Itoa(current.Version)
	}
	return err
}

func (v *View) render(ctx context.Context, set *template.Set, home pg.Querier, content template.Content) (err error) {
	frame := template.Frame{Brand: template.Brand{Name: "Portico"}, Organization: "Acme"}
	if !v.Plain {
		frame.Brand = template.Brand{Name: "Acme", Color: "#0f766e", Support: "help@acme.example"}
		if content.Template.Category != "" {
			frame.Unsubscribe = "https://portico.example.com/u/token"
		}
	}
	if v.Mail, err = v.mail(ctx, set, home, content, frame); err != nil {
		return err
	}
	raw, err := transport.Message{
		ID: "mail_preview", At: time.Date(2026, time.March, 5, 14, 3, 0, 0, time.UTC),
		From: transport.Address{Name: frame.Brand.Name, Address: "notices@mail.example.com"}, To: transport.Address{Address: "ada@example.org"},
		Subject: v.Mail.Subject, HTML: v.Mail.HTML, Text: v.Mail.Text, Unsubscribe: frame.Unsubscribe,
	}.MIME()
	v.Source = string(raw)
	return err
}

// mail renders the chosen version.
func (v *View) mail(ctx context.Context, set *template.Set, home pg.Querier, content template.Content, frame template.Frame) (template.Rendered, error) {
	if v.Version == "" {
		return set.Render(content, v.Locale, frame)
	}
	number, err := strconv.Atoi(v.Version)
	if err != nil {
		return template.Rendered{}, err
	}
	o, err := (&override.Published{Home: home, Set: set}).Version(ctx, override.Variant{Template: v.Template, Locale: v.Locale}, number)
	if err != nil {
		return template.Rendered{}, err
	}
	return o.Render(content.Data, frame)
}

// With returns the address of the same view with another value of one field.
func (v View) With(field, value string) string {
	q := url.Values{"template": {v.Template}, "sample": {v.Sample}, "locale": {v.Locale}, "form": {v.Form}}
	if v.Phone {
		q.Set("width", "phone")
	}
	if v.Plain {
		q.Set("frame", "plain")
	}
	if v.Version != "" && field != "locale" && field != "template" {
		q.Set("version", v.Version)
	}
	q.Set(field, value)
	if field == "template" {
		q.Del("sample") // of the other template
	}
	return "?" + q.Encode()
}

// Folder is where the templates of a repository are.
func Folder(root string) string { return filepath.Join(root, "shared", "mail", "template") }
