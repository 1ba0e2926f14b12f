package schema

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

var english = message.NewPrinter(language.English)

// maxCollected is how many violations are looked at to name the first ones.
const maxCollected = 1000

// breach is a violation whose message is not made yet: most are not shown.
type breach struct {
	Violation
	of *jsonschema.ValidationError
}

// violations returns the first violations of the library's error, by their places.
func violations(err error, value any) []Violation {
	var found *jsonschema.ValidationError
	if !errors.As(err, &found) {
		return nil
	}
	var breaches []breach
	collect(found, value, &breaches)
	slices.SortFunc(breaches, func(a, b breach) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Rule, b.Rule))
	})
	breaches = slices.CompactFunc(breaches, func(a, b breach) bool { return a.Path == b.Path && a.Rule == b.Rule })
	list := make([]Violation, min(len(breaches), maxViolations))
	for i := range list {
		list[i] = breaches[i].Violation
		if list[i].Message == "" {
			list[i].Message = "is not valid: " + said(breaches[i].of)
		}
	}
	return list
}

// collect adds the violations of an error. One that only says that others follow is
// left out; of anyOf and oneOf the others are, because each is about one choice.
func collect(e *jsonschema.ValidationError, value any, list *[]breach) {
	if len(*list) >= maxCollected {
		return
	}
	rule := ruleOf(e.SchemaURL)
	if words := e.ErrorKind.KeywordPath(); len(words) > 0 {
		rule += "/" + escape(words[0])
	}
	of := func(names []string, message string) {
		for _, name := range names {
			*list = append(*list, breach{Violation{pathOf(append(slices.Clone(e.InstanceLocation), name), value), message, rule}, e})
		}
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.Reference:
		for _, cause := range e.Causes {
			collect(cause, value, list)
		}
	case *kind.Format: // the meter
	case *kind.Required:
		of(k.Missing, "is missing")
	case *kind.AdditionalProperties:
		of(k.Properties, "is not allowed")
	default:
		*list = append(*list, breach{Violation{Path: pathOf(e.InstanceLocation, value), Rule: rule}, e})
	}
}

// said returns the library's words about an error.
func said(e *jsonschema.ValidationError) string {
	if _, ok := e.ErrorKind.(*kind.FalseSchema); ok {
		return "the schema allows no value here"
	}
	return short(e.ErrorKind.LocalizedString(english))
}

// short cuts a text that may repeat data.
func short(text string) string {
	const most = 200
	runes := []rune(strings.ToValidUTF8(text, "\uFFFD"))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most]) + "…"
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// pathOf returns a place in data as a person writes it.
func pathOf(tokens []string, value any) string {
	var path strings.Builder
	for _, token := range tokens {
		switch v := value.(type) {
		case []any:
			fmt.Fprintf(&path, "[%s]", token)
			i, _ := strconv.Atoi(token)
			value = nil
			if i < len(v) {
				value = v[i]
			}
			continue
		case map[string]any:
			value = v[token]
		}
		if plainName.MatchString(token) {
			path.WriteString("." + token)
		} else {
			fmt.Fprintf(&path, "[%q]", short(token))
		}
	}
	return path.String()
}

// ruleOf returns a place in a schema as a reference.
func ruleOf(address string) string {
	_, encoded, _ := strings.Cut(address, "#")
	fragment, err := url.PathUnescape(encoded)
	if err != nil {
		return "#" // cannot happen: the library has written it
	}
	return short("#" + fragment)
}

// pointerOf returns a JSON pointer, for a message.
func pointerOf(tokens []string) string {
	var pointer string
	for _, token := range tokens {
		pointer += "/" + escape(token)
	}
	return place(pointer)
}

// place names a JSON pointer in a message.
func place(pointer string) string {
	if pointer == "" {
		return "the top"
	}
	return short(pointer)
}

func escape(token string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
}

func unescape(token string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
}
