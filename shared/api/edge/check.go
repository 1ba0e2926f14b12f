package edge

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/fault"
	"portico/shared/name"
)

// Checked is an input with rules that its schema cannot say. Check returns all
// that is wrong, and may keep in the input what it has parsed. Resolve calls Hold.
type Checked interface {
	Check(*Call) error
	Resolve(Request) []error
}

// Request is a request as huma has read it.
type Request = huma.Context

// Hold is told of each input before it is known whether the schema accepts it.
// What the schema accepts is checked later, since the stored reply to a repeated
// request comes first: time may have made its input invalid.
func Hold(r Request, in Checked) []error {
	callOf(r.Context()).input = in
	return nil
}

// checked returns what is wrong with an input that its schema accepts.
func checked(c *Call, in any) error {
	if in, ok := in.(Checked); ok {
		return in.Check(c)
	}
	return nil
}

// CheckName refuses a name of a person or a thing that could be taken for
// something else.
func CheckName(location string, text *string) error {
	if text == nil {
		return nil
	}
	if err := name.Check(*text); err != nil {
		return fault.InvalidField(location, err.Error())
	}
	return nil
}

// CheckText refuses what Postgres cannot keep.
func CheckText(location string, text *string) error {
	if text != nil && strings.ContainsRune(*text, 0) {
		return fault.InvalidField(location, "must not hold the character U+0000")
	}
	return nil
}
