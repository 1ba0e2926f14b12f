package template

import (
	"reflect"
	"time"
)

// Field is a value that a template may show or ask about.
type Field struct {
	Path string // as a template writes it, such as .Data.Organization
	Type string // text, number, boolean, time or texts
}

// Fields lists what a template sees.
func (t *Template) Fields() []Field {
	all := []Field{}
	data := reflect.TypeOf(t.Samples[0].Data)
	for i := range data.NumField() {
		all = append(all, Field{".Data." + data.Field(i).Name, kindOf(data.Field(i).Type)})
	}
	for _, path := range []string{".Brand.Name", ".Brand.LogoURL", ".Brand.Color", ".Brand.Ink", ".Brand.Support", ".Organization", ".Unsubscribe", ".Locale"} {
		all = append(all, Field{path, "text"})
	}
	return all
}

func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t.Kind() == reflect.Slice:
		return "texts"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.String:
		return "text"
	}
	return "number"
}
