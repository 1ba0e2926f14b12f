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
	wrongMethod = Code{Code: "method_not_allowed", Status: http.StatusMethodNotAllowed, Meaning: "The path answers other methods: `Allow` names them."}
	wrongPath   = Code{Code: "no_such_route", Status: http.StatusNotFound, Meaning: "Nothing answers at this path."}
)

// Codes returns what every code means, of all packages that the program holds:
// by status, and of one status by name.
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
