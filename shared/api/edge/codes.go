package edge

import (
	"cmp"
	"net/http"
	"slices"

	"portico/shared/fault"
)

// Code is a code that problems can have, for the documentation.
type Code struct {
	Code    string
	Status  int
	Meaning string
}

var (
	wrongMethod = Code{Code: "method_not_allowed", Status: http.StatusMethodNotAllowed, Meaning: "The path exists, but not with this method: `Allow` lists the methods that it has."}
	wrongPath   = Code{Code: "no_such_route", Status: http.StatusNotFound, Meaning: "No operation has this path."}
)

// Codes returns the codes of all packages in the program with their meaning,
// sorted by status and then by name.
func Codes() []Code {
	list := []Code{wrongMethod, wrongPath}
	for status, r := range refusals {
		if r.meaning != "" {
			list = append(list, Code{r.code, status, r.meaning})
		}
	}
	for _, c := range fault.Codes() {
		list = append(list, Code{c.Code, statusFor(c.Kind), c.Meaning})
	}
	slices.SortFunc(list, func(a, b Code) int { return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code)) })
	return list
}
