package template

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"sync"
	texttemplate "text/template"
)

//go:embed inlined layout/layout.txt layout/inline.css locale */subject.txt */body.txt */body.html
var repository embed.FS

// Repository returns the templates as they are in the repository.
var Repository = sync.OnceValues(func() (*Set, error) {
	return Load(repository, func(name string) (string, error) {
		page, err := repository.ReadFile("inlined/" + name + ".html")
		return string(page), err
	})
})

// Set renders templates. It is safe for concurrent use.
type Set struct {
	messages *messages
	styles   map[string]string // of overrides: declarations by class
	compiled map[variant]func() (*compiled, error)
}

// variant is a template in a language.
type variant struct{ name, locale string }

// compiled is a variant, parsed.
type compiled struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
	version       string
}

// Load returns the templates of a folder; page returns a template's page with the
// style sheet inlined. A template is parsed when it is first rendered, so that a
// function that sends one kind of mail does not parse all.
func Load(source fs.FS, page func(name string) (string, error)) (*Set, error) {
	m, err := loadMessages(source)
	if err != nil {
		return nil, err
	}
	sheet, err := repository.ReadFile("layout/inline.css")
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	s := &Set{messages: m, styles: readStyles(string(sheet)), compiled: map[variant]func() (*compiled, error){}}
	for _, t := range all {
		for _, locale := range m.locales {
			s.compiled[variant{t.Name, locale}] = sync.OnceValues(func() (*compiled, error) {
				return compile(source, page, t.Name, m.functions(locale))
			})
		}
	}
	return s, nil
}

// Locales lists the languages that have messages, en first.
func (s *Set) Locales() []string { return s.messages.locales }

// Nearest returns the language that has messages and is nearest to the wanted one.
func (s *Set) Nearest(wanted string) string { return s.messages.nearest(wanted) }

func compile(source fs.FS, page func(name string) (string, error), name string, functions map[string]any) (*compiled, error) {
	html, err := page(name)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	digest := sha256.New()
	digest.Write([]byte(html))
	var files [3]string
	for i, path := range []string{name + "/subject.txt", "layout/layout.txt", name + "/body.txt"} {
		text, err := fs.ReadFile(source, path)
		if err != nil {
			return nil, fmt.Errorf("template: %w", err)
		}
		digest.Write(text)
		files[i] = string(text)
	}
	c := &compiled{version: hex.EncodeToString(digest.Sum(nil)[:6])}
	if c.subject, err = texttemplate.New("subject").Option("missingkey=error").Funcs(functions).Parse(files[0]); err != nil {
		return nil, fmt.Errorf("template: %s/subject.txt: %w", name, err)
	}
	if c.text, err = texttemplate.New("layout").Option("missingkey=error").Funcs(functions).Parse(files[1]); err != nil {
		return nil, fmt.Errorf("template: layout/layout.txt: %w", err)
	}
	if _, err = c.text.New("body").Parse(files[2]); err != nil {
		return nil, fmt.Errorf("template: %s/body.txt: %w", name, err)
	}
	if c.html, err = htmltemplate.New("page").Option("missingkey=error").Funcs(functions).Parse(html); err != nil {
		return nil, fmt.Errorf("template: page of %s: %w", name, err)
	}
	return c, nil
}
