package events

import (
	"strings"

	"portico/shared/fault"
)

// isInvalid reports whether an event was refused, such as by its type's schema.
func isInvalid(err error) bool {
	f := fault.Of(err)
	return f != nil && f.Kind == fault.Invalid
}

// ofSingle names the fields of a refused event as they are called in a publish of one.
func ofSingle(err error) error {
	if fault.Of(err) == nil {
		return err
	}
	f := *fault.Of(err)
	f.Fields = append([]fault.Field(nil), f.Fields...)
	for i := range f.Fields {
		f.Fields[i].Name = strings.TrimPrefix(f.Fields[i].Name, "events[0].")
	}
	return &f
}
