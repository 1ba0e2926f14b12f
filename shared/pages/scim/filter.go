package scim

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
)

// condition is attribute eq value. The attribute is in lower case.
type condition struct {
	attribute string
	value     any
}

// maxFilter bounds a filter, in bytes.
const maxFilter = 1000

// comparison is the beginning of a filter: one condition, and what joins it to the next.
var comparison = regexp.MustCompile(`^\s*([A-Za-z][\w.:$-]*(?:\[[^\]]*\])?(?:\.[A-Za-z]\w*)?)\s+(?i:eq)\s+("(?:[^"\\]|\\.)*"|true|false|True|False)\s*($|(?i:and)\s)`)

// parseFilter reads conditions that are joined by and. No other operator is supported.
func parseFilter(text string) (list []condition, err error) {
	broken := invalid("invalidFilter", `Filters are: attribute eq "value", several of them joined by and.`)
	if len(text) > maxFilter {
		return nil, broken
	}
	for rest := text; ; {
		found := comparison.FindStringSubmatch(rest)
		if found == nil {
			return nil, broken
		}
		c := condition{attribute: strings.ToLower(withoutSchema(found[1]))}
		value := found[2]
		if value[0] != '"' {
			value = strings.ToLower(value)
		}
		if json.Unmarshal([]byte(value), &c.value) != nil {
			return nil, broken
		}
		if s, isText := c.value.(string); isText && strings.ContainsFunc(s, unicode.IsControl) {
			return nil, broken
		}
		list = append(list, c)
		if rest = rest[len(found[0]):]; found[3] == "" {
			return list, nil
		}
	}
}

// withoutSchema cuts the schema of users and groups off an attribute's name.
func withoutSchema(name string) string {
	for _, schema := range []string{userSchema, groupSchema} {
		if len(name) > len(schema) && strings.EqualFold(name[:len(schema)], schema) && name[len(schema)] == ':' {
			return name[len(schema)+1:]
		}
	}
	return name
}

// matches reports whether an object has all that conditions say.
func matches(o object, conditions []condition) bool {
	for _, c := range conditions {
		got := get(o, c.attribute)
		want := c.value
		if s, isText := want.(string); isText {
			t, also := got.(string)
			if !also || !strings.EqualFold(s, t) {
				return false
			}
			continue
		}
		if got == nil {
			got = false // a missing primary
		}
		if got != want {
			return false
		}
	}
	return true
}

// path is where a PATCH changes something: emails[type eq "work"].value.
type path struct {
	attribute string // in lower case
	filter    []condition
	filtered  bool
	sub       string // "": the whole
	foreign   bool   // of a schema that we do not have
}

var pathForm = regexp.MustCompile(`^([A-Za-z$][\w$-]*)(\[(.*)\])?(?:\.([A-Za-z$][\w$-]*))?$`)

func parsePath(text string) (p path, err error) {
	if len(text) > maxFilter {
		return p, invalid("invalidPath", "The path is too long.")
	}
	text = withoutSchema(strings.TrimSpace(text))
	if len(text) > 4 && strings.EqualFold(text[:4], "urn:") {
		return path{foreign: true}, nil
	}
	found := pathForm.FindStringSubmatch(text)
	if found == nil {
		return p, invalid("invalidPath", `Paths are: attribute, attribute.sub, or attribute[type eq "work"].sub.`)
	}
	p = path{attribute: strings.ToLower(found[1]), sub: found[4], filtered: found[2] != ""}
	if p.filtered {
		if p.filter, err = parseFilter(found[3]); err != nil {
			return p, invalid("invalidPath", `The filter of a path is: type eq "work".`)
		}
	}
	return p, nil
}
