// Package preview renders the mail templates as they are on the disk, so that a
// person sees a change when it is saved.
package preview

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"portico/infra/inline"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
)

// View is what is shown, and what else there is to choose.
type View struct {
	Templates, Samples, Locales []string
	Template, Sample, Locale    string
	Plain                       bool // without a logo, a colour and a link to unsubscribe
	Phone                       bool // in the width of a phone
	Form                        string
	Forms                       []string

	Mail   template.Rendered
	Source string // the mail as it goes over the wire
	Error  string // why a template cannot be rendered
}

// forms are in what the mail can be shown.
var forms = []string{"HTML", "text", "source"}

// Look renders the template that a query names, or the first one. folder is that of
// the templates.
func Look(folder string, query url.Values) View {
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
	if err := v.render(folder, query.Get("locale"), template.Content{Template: chosen, Data: sample.Data}); err != nil {
		v.Error = err.Error()
	}
	return v
}

func (v *View) render(folder, locale string, content template.Content) error {
	source := os.DirFS(folder)
	set, err := template.Load(source, func(name string) (string, error) { return inline.Page(source, name) })
	if err != nil {
		return err
	}
	v.Locales, v.Locale = set.Locales(), locale
	frame := template.Frame{Brand: template.Brand{Name: "Portico"}, Organization: "Acme"}
	if !v.Plain {
		frame.Brand = template.Brand{Name: "Acme", Color: "#0f766e", Support: "help@acme.example"}
		if content.Template.Category != "" {
			frame.Unsubscribe = "https://portico.example.com/u/token"
		}
	}
	if v.Mail, err = set.Render(content, locale, frame); err != nil {
		return err
	}
	v.Locale = v.Mail.Locale
	raw, err := transport.Message{
		ID: "mail_preview", At: time.Date(2026, time.March, 5, 14, 3, 0, 0, time.UTC),
		From: transport.Address{Name: frame.Brand.Name, Address: "notices@mail.example.com"}, To: transport.Address{Address: "ada@example.org"},
		Subject: v.Mail.Subject, HTML: v.Mail.HTML, Text: v.Mail.Text, Unsubscribe: frame.Unsubscribe,
	}.MIME()
	v.Source = string(raw)
	return err
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
	q.Set(field, value)
	if field == "template" {
		q.Del("sample") // of the other template
	}
	return "?" + q.Encode()
}

// Folder is where the templates of a repository are.
func Folder(root string) string { return filepath.Join(root, "shared", "mail", "template") }
