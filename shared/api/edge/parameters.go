package edge

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/fault"
)

// checkPath refuses path parameters that Postgres cannot store, and therefore cannot
// compare either.
func checkPath(ctx huma.Context) error {
	var faults []error
	for _, p := range ctx.Operation().Parameters {
		if p.In != "path" {
			continue
		}
		value := ctx.Param(p.Name)
		err := CheckText("path."+p.Name, &value)
		if !utf8.ValidString(value) {
			err = fault.InvalidField("path."+p.Name, "must be UTF-8")
		}
		faults = append(faults, err)
	}
	return fault.Join(faults...)
}

// checkQuery refuses query parameters that are unknown, empty or repeated.
// Without this check an empty one would be ignored, and one of the repeated
// values would be used.
func checkQuery(op *huma.Operation, raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return fault.InvalidField("query", "cannot be parsed: in names and values, encode everything but letters and digits as %XX").Because(err)
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(query)) {
		wrong := ""
		switch values := query[name]; {
		case !utf8.ValidString(name + strings.Join(values, "")):
			name, wrong = strings.ToValidUTF8(name, "\uFFFD"), "must be UTF-8"
		case !slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name }):
			wrong = "is not a parameter of this operation"
		case len(values) > 1:
			wrong = fmt.Sprintf("occurs %d times: send it once", len(values))
		case values[0] == "":
			wrong = "is empty: give it a value, or leave it out"
		}
		if wrong != "" {
			faults = append(faults, fault.InvalidField("query."+name, wrong))
		}
	}
	return fault.Join(faults...)
}

// checkHeaders does the same for the headers that every operation may have.
func checkHeaders(header http.Header) error {
	var faults []error
	for _, name := range []string{idempotencyHeader, organizationHeader} {
		if values := header.Values(name); len(values) > 1 || len(values) == 1 && values[0] == "" {
			faults = append(faults, fault.InvalidField("header."+name, "must be sent once, with a value, or not at all"))
		}
	}
	return fault.Join(faults...)
}
