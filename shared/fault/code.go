package fault

import (
	"fmt"
	"slices"
	"strings"
)

// Code is one of the codes that faults have, for the documentation.
type Code struct {
	Kind    Kind
	Code    string
	Meaning string
}

// codes are those of all packages that the program holds.
var codes = map[string]Code{}

// Means says for the documentation what the fault's code means and what to do,
// whatever the detail is in a case. It is for faults that are made once, with
// the program: of several with one code one says it.
func (e *Error) Means(meaning string) *Error {
	if codes[e.Code].Meaning != "" {
		panic(fmt.Sprintf("fault: it was said before what the code %s means", e.Code))
	}
	codes[e.Code] = Code{e.Kind, e.Code, meaning}
	return e
}

// Codes returns the codes of all packages that the program holds, sorted.
func Codes() []Code {
	list := make([]Code, 0, len(codes))
	for _, c := range codes {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Code) int { return strings.Compare(a.Code, b.Code) })
	return list
}
