package edge

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/fault"
	"portico/shared/name"
)

// Checked is an input with rules that its schema cannot express. Check returns
// all errors together, and may store parsed values in the input. Resolve must
// call Hold.
type Checked interface {
	Check(*Call) error
	Resolve(Request) []error
}

// Request is a request as huma has read it.
type Request = huma.Context

// Hold keeps each input, before it is known whether the schema accepts it. If the
// schema accepts it, Check runs later, after the lookup of a stored reply: the
// input of a repeated request may have become invalid with time, but the reply is
// still valid.
func Hold(r Request, in Checked) []error {
	callOf(r.Context()).input = in
	return nil
}

// checked runs Check on an input that its schema has accepted. That of a list is
// charged for.
func checked(c *Call, in any) error {
	if page, ok := in.(interface{ units() int64 }); ok {
		c.Charge(page.units())
	}
	if in, ok := in.(Checked); ok {
		return in.Check(c)
	}
	return nil
}

// CheckName refuses a name of a person or a thing that looks like another one.
func CheckName(location string, text *string) error {
	if text == nil {
		return nil
	}
	if err := name.Check(*text); err != nil {
		return fault.InvalidField(location, err.Error())
	}
	return nil
}

// CheckText refuses text that Postgres cannot store.
func CheckText(location string, text *string) error {
	if text != nil && strings.ContainsRune(*text, 0) {
		return fault.InvalidField(location, "must not contain the character U+0000")
	}
	return nil
}
