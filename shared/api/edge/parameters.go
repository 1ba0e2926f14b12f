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

// checkQuery returns what is wrong with how a request names its query's
// parameters. One that is empty, or stands twice, would be read as if it were not
// there, or by chance.
func checkQuery(op *huma.Operation, raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return fault.InvalidField("query", "cannot be read: encode each name and value as %XX where they hold other than letters and digits").Because(err)
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(query)) {
		wrong := ""
		switch values := query[name]; {
		case !utf8.ValidString(name + strings.Join(values, "")):
			name, wrong = strings.ToValidUTF8(name, "\uFFFD"), "must be UTF-8"
		case !slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name }):
			wrong = "is no parameter of this operation"
		case len(values) > 1:
			wrong = fmt.Sprintf("stands %d times: send it once", len(values))
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
