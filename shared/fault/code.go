package fault

import (
	"fmt"
	"slices"
	"strings"
)

// Code describes a code of faults for the documentation.
type Code struct {
	Kind    Kind
	Code    string
	Meaning string
}

// codes are the codes of all packages in the program.
var codes = map[string]Code{}

// Means sets what the documentation says about the fault's code: its meaning in
// every case and what to do. Call it on a package variable, and only once for a
// code: it panics if the code has a meaning already.
func (e *Error) Means(meaning string) *Error {
	if codes[e.Code].Meaning != "" {
		panic(fmt.Sprintf("fault: the code %s has a meaning already", e.Code))
	}
	codes[e.Code] = Code{e.Kind, e.Code, meaning}
	return e
}

// Codes returns the codes of all packages in the program, sorted.
func Codes() []Code {
	list := make([]Code, 0, len(codes))
	for _, c := range codes {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Code) int { return strings.Compare(a.Code, b.Code) })
	return list
}
