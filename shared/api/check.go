package api

import (
	"strings"

	"portico/shared/fault"
	"portico/shared/name"
)

// checkName refuses a name of a person or a thing that could be taken for
// something else.
func checkName(location string, text *string) error {
	if text == nil {
		return nil
	}
	if err := name.Check(*text); err != nil {
		return fault.InvalidField(location, err.Error())
	}
	return nil
}

// checkText refuses what Postgres cannot keep.
func checkText(location string, text *string) error {
	if text != nil && strings.ContainsRune(*text, 0) {
		return fault.InvalidField(location, "must not hold the character U+0000")
	}
	return nil
}
