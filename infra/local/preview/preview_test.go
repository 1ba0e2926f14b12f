package preview_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portico/infra/local/preview"
	"portico/shared/mail/template"
	"portico/shared/testkit"
)

// copied returns a folder with a copy of the repository's templates.
func copied(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(preview.Folder("../../.."))); err != nil {
		t.Fatal(err)
	}
	return folder
}

// Every template, sample and language can be shown in every form.
func TestEverythingIsShown(t *testing.T) {
	folder := copied(t)
	for _, tmpl := range template.All() {
		for _, sample := range tmpl.Samples {
			for _, locale := range []string{"en", "de"} {
				q := url.Values{"template": {tmpl.Name}, "sample": {sample.Name}, "locale": {locale}, "form": {"source"}, "width": {"phone"}}
				v := preview.Look(t.Context(), folder, nil, q)
				if v.Error != "" || v.Template != tmpl.Name || v.Sample != sample.Name || v.Locale != locale || v.Form != "source" || !v.Phone {
					t.Errorf("%v: %+v", q, v)
				}
				if v.Mail.HTML == "" || v.Mail.Text == "" || !strings.Contains(v.Source, "Content-Type: multipart/alternative") {
					t.Errorf("%v: a part is missing", q)
				}
			}
		}
	}
	if v := preview.Look(t.Context(), folder, nil, url.Values{"template": {"nope"}, "locale": {"fr"}, "form": {"x"}}); v.Error != "" || v.Template != template.All()[0].Name || v.Locale != "en" || v.Form != "HTML" {
		t.Errorf("a query with unknown values: %+v", v)
	}
}

// A change of any file is seen at once, and a mistake is named with its file.
func TestChangesAreSeen(t *testing.T) {
	folder := copied(t)
	for file, change := range map[string][2]string{
		"member_added/body.html":   {`<h1 class="title">`, `<h1 class="title">NEW `},
		"member_added/body.txt":    {`{{t "member_added.title" .Data}}`, `NEW`},
		"member_added/subject.txt": {`{{`, `NEW {{`},
		"locale/en.json":           {`"Open the organization"`, `"NEW"`},
		"layout/inline.css":        {`.title { `, `.title { quotes: NEW; `},
	} {
		path := filepath.Join(folder, file)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write(strings.Replace(string(before), change[0], change[1], 1))
		if v := preview.Look(t.Context(), folder, nil, url.Values{"template": {"member_added"}}); v.Error != "" || !strings.Contains(v.Mail.Subject+v.Mail.HTML+v.Mail.Text, "NEW") {
			t.Errorf("%s: the change is not seen (%s)", file, v.Error)
		}
		write(string(before))
	}
	body := filepath.Join(folder, "member_added", "body.txt")
	if err := os.WriteFile(body, []byte("one\n{{if}}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if v := preview.Look(t.Context(), folder, nil, nil); !strings.Contains(v.Error, "member_added/body.txt") || !strings.Contains(v.Error, ":2:") || len(v.Templates) < 5 {
		t.Errorf("a mistake: %q, %v", v.Error, v.Templates)
	}
}

// A choice keeps the others.
func TestWith(t *testing.T) {
	v := preview.Look(t.Context(), copied(t), nil, url.Values{"template": {"dead_deliveries"}, "sample": {"many"}, "locale": {"de"}, "width": {"phone"}, "frame": {"plain"}})
	for field, value := range map[string]string{"form": "text", "locale": "en", "width": "", "sample": "one"} {
		q, err := url.ParseQuery(strings.TrimPrefix(v.With(field, value), "?"))
		if err != nil || q.Get(field) != value || q.Get("template") != "dead_deliveries" || q.Get("frame") != "plain" {
			t.Errorf("%s=%s: %v (%v)", field, value, q, err)
		}
	}
	if with := v.With("template", "member_added"); strings.Contains(with, "sample") {
		t.Errorf("the sample of another template stays: %s", with)
	}
}

// What staff have saved in the language can be looked at too, published or not.
func TestOverridesAreShown(t *testing.T) {
	db := testkit.DB(t)
	home := db.App.Shared()
	for n, html := range []string{"<p>one</p>", "<p>two</p>", "<p>{{.Data.Gone}}</p>"} {
		db.Exec(t, `INSERT INTO mail_template_override VALUES ('member_added', 'de', $1, portico_now(), 's', 's', '', 'x', $2, 'x')`, n+1, html)
	}
	db.Exec(t, `INSERT INTO mail_template_publication (template, locale, number, version, published_by, published_by_name) VALUES ('member_added', 'de', 1, 2, 's', 's')`)
	look := func(locale, version string) preview.View {
		return preview.Look(t.Context(), copied(t), home, url.Values{"template": {"member_added"}, "locale": {locale}, "version": {version}})
	}
	if v := look("de", "1"); v.Error != "" || !strings.Contains(v.Mail.HTML, "<p>one</p>") || v.Sent != "2" || strings.Join(v.Versions, " ") != "3 2 1" {
		t.Errorf("%+v", v)
	}
	if v := look("de", ""); v.Error != "" || !strings.Contains(v.Mail.HTML, "Ihre Rolle") {
		t.Errorf("the file: %s", v.Error)
	}
	if v := look("de", "3"); !strings.Contains(v.Error, "there is no Gone") {
		t.Errorf("a broken version: %q", v.Error)
	}
	if v := look("en", "1"); v.Error != "" || len(v.Versions) > 0 || v.Version != "" {
		t.Errorf("another language: %+v", v)
	}
}
