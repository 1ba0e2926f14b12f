// Package template holds the mails' templates and renders them. A template is a
// folder with its subject and its body as HTML and as text, and a Go type with its
// data; docs/email.md says how to add one.
package template

import (
	"encoding/json"
	"fmt"
)

// Stream says from which identity a mail is sent, so that marketing cannot harm the
// reputation of mail that people wait for.
type Stream string

// The streams.
const (
	Product   Stream = "product"
	Marketing Stream = "marketing"
)

// Template describes one template.
type Template struct {
	Name   string // of its folder
	Stream Stream
	// Category is what a person may unsubscribe from, such as webhooks. It is empty
	// for critical mail, which everybody gets.
	Category string
	// Account: it is about a user's own account, so no organization stands around it.
	Account bool
	Samples []Sample

	decode func([]byte) (any, error)
}

// Sample is data to show and to test a template with.
type Sample struct {
	Name string
	Data any // of the template's type
}

// Of is a template whose data have the type T.
type Of[T any] struct{ *Template }

// Content is a template with its data.
type Content struct {
	Template *Template
	Data     any // of the template's type
}

// With returns the template with its data.
func (o Of[T]) With(data T) Content { return Content{o.Template, data} }

// named is a sample of a known type.
type named[T any] struct {
	name string
	data T
}

func declare[T any](t Template, samples ...named[T]) Of[T] {
	for _, s := range samples {
		t.Samples = append(t.Samples, Sample{s.name, s.data})
	}
	t.decode = func(text []byte) (any, error) {
		var data T
		err := json.Unmarshal(text, &data)
		return data, err
	}
	return Of[T]{&t}
}

// Decode returns the template with the data that are in text, as JSON.
func (t *Template) Decode(text []byte) (Content, error) {
	data, err := t.decode(text)
	if err != nil {
		return Content{}, fmt.Errorf("template: the data of %s cannot be read: %w", t.Name, err)
	}
	return Content{t, data}, nil
}

// All lists the templates of the repository.
func All() []*Template { return all }

// Named returns a template of the repository, or nil.
func Named(name string) *Template {
	for _, t := range all {
		if t.Name == name {
			return t
		}
	}
	return nil
}
