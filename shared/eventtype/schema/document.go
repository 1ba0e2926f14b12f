package schema

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"portico/shared/pattern"
)

// draft is the only value that $schema may have.
const draft = "https://json-schema.org/draft/2020-12/schema"

// Where a schema has other schemas.
var (
	inMaps    = []string{"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
	inLists   = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	inMembers = []string{
		"additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
		"unevaluatedItems", "unevaluatedProperties",
	}
)

// Document is a schema that was read and checked, but not compiled. It has no $id
// and no anchors, and every $ref in it is `#` or begins with `#/`.
type Document struct {
	root         map[string]any
	places       map[string]map[string]any // the subschemas by their JSON pointers
	anchors      map[string]string         // the pointer of each
	subschemas   int
	instructions int
}

// Parse reads a schema. The error is for the customer who wrote it.
func Parse(text []byte) (*Document, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("has %d bytes; the limit is %d", len(text), MaxSize)
	}
	value, err := decode(text)
	if err != nil {
		return nil, err
	}
	root, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("must be a JSON Schema: an object, such as {\"type\":\"object\"}")
	}
	if depthOf(root) > maxDepth {
		return nil, fmt.Errorf("nests objects and lists more than %d deep", maxDepth)
	}
	if s, ok := root["$schema"]; ok && s != draft && s != draft+"#" {
		return nil, fmt.Errorf("must be of draft 2020-12: leave out $schema, or set it to %s", draft)
	}
	for _, name := range []string{"$schema", "$id", "$vocabulary"} {
		delete(root, name)
	}
	d := &Document{root: root, places: map[string]map[string]any{}, anchors: map[string]string{}}
	if err := d.enter("", root); err != nil {
		return nil, err
	}
	return d, d.resolve()
}

// enter notes a subschema and those in it.
func (d *Document) enter(at string, schema any) error {
	if d.subschemas++; d.subschemas > maxSubschemas {
		return fmt.Errorf("has more than %d subschemas", maxSubschemas)
	}
	s, ok := schema.(map[string]any)
	if !ok {
		return nil // true or false; the compiler refuses anything else
	}
	d.places[at] = s
	if err := d.checkKeywords(at, s); err != nil {
		return err
	}
	for _, keyword := range inMembers {
		if sub, ok := s[keyword]; ok {
			if err := d.enter(at+"/"+keyword, sub); err != nil {
				return err
			}
		}
	}
	for _, keyword := range inLists {
		list, _ := s[keyword].([]any)
		for i, sub := range list {
			if err := d.enter(at+"/"+keyword+"/"+strconv.Itoa(i), sub); err != nil {
				return err
			}
		}
	}
	for _, keyword := range inMaps {
		if err := d.enterMap(at+"/"+keyword, keyword, s[keyword]); err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) enterMap(at, keyword string, value any) error {
	members, _ := value.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if keyword == "patternProperties" {
			if err := d.checkPattern(at, name); err != nil {
				return err
			}
		}
		if err := d.enter(at+"/"+escape(name), members[name]); err != nil {
			return err
		}
	}
	return nil
}

// checkKeywords refuses what would make the schema refer to others, and takes the
// anchors out. Because a schema is one resource, a dynamic reference always finds
// what a plain one finds.
func (d *Document) checkKeywords(at string, s map[string]any) error {
	for _, name := range []string{"$id", "$schema", "$vocabulary"} {
		if _, ok := s[name]; ok {
			return fmt.Errorf("has %s at %s: it may only be at the top", name, place(at))
		}
	}
	for _, name := range []string{"$anchor", "$dynamicAnchor"} {
		anchor, ok := s[name].(string)
		if !ok {
			continue
		}
		if other, taken := d.anchors[anchor]; taken && other != at {
			return fmt.Errorf("has the anchor %q twice, at %s and at %s", short(anchor), place(other), place(at))
		}
		d.anchors[anchor] = at
		delete(s, name)
	}
	if dynamic, ok := s["$dynamicRef"]; ok {
		if _, both := s["$ref"]; both {
			return fmt.Errorf("has $ref and $dynamicRef at %s: use one of them", place(at))
		}
		s["$ref"] = dynamic
		delete(s, "$dynamicRef")
	}
	if text, ok := s["pattern"].(string); ok {
		return d.checkPattern(at+"/pattern", text)
	}
	return nil
}

func (d *Document) checkPattern(at, text string) error {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return fmt.Errorf("has a pattern at %s that is no regular expression of RE2: %s", place(at), short(err.Error()))
	}
	if d.instructions += pattern.Instructions(tree, maxInstructions); d.instructions > maxInstructions {
		return fmt.Errorf("has patterns that are too large, the last one at %s: shorten them, or repeat less in {}", place(at))
	}
	return nil
}

// resolve makes every reference a JSON pointer to a subschema.
func (d *Document) resolve() error {
	refs := 0
	for _, at := range slices.Sorted(maps.Keys(d.places)) {
		s := d.places[at]
		value, ok := s["$ref"]
		if !ok {
			continue
		}
		if refs++; refs > maxRefs {
			return fmt.Errorf("has more than %d references", maxRefs)
		}
		ref, _ := value.(string)
		to, err := d.target(ref)
		if err != nil {
			return fmt.Errorf("has the reference %q at %s: %w", short(ref), place(at), err)
		}
		s["$ref"] = reference(to)
	}
	return nil
}

// target returns the JSON pointer that a reference means.
func (d *Document) target(ref string) (string, error) {
	encoded, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return "", errors.New("a schema may refer only to itself, such as #/$defs/name")
	}
	fragment, err := url.PathUnescape(encoded)
	if err != nil {
		return "", errors.New("it is not a valid reference")
	}
	if pointer, ok := d.anchors[fragment]; ok && fragment != "" {
		return pointer, nil
	}
	if !d.has(fragment) {
		return "", errors.New("the schema has no subschema there")
	}
	return fragment, nil
}

// has reports whether there is a subschema at a pointer, true or false included.
func (d *Document) has(pointer string) bool {
	if _, ok := d.places[pointer]; ok {
		return true
	}
	var at any = d.root
	if pointer == "" || pointer[0] != '/' {
		return pointer == ""
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		token = unescape(token)
		switch v := at.(type) {
		case map[string]any:
			at = v[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != token {
				return false
			}
			at = v[i]
		default:
			return false
		}
	}
	_, boolean := at.(bool)
	return boolean
}

// reference returns the $ref to a JSON pointer.
func reference(pointer string) string {
	if pointer == "" {
		return "#"
	}
	return (&url.URL{Fragment: pointer}).String()
}

// Below returns the schema as JSON, for a place in a larger document: prefix is the
// reference to that place, such as #/components/schemas/invoice.paid.
func (d *Document) Below(prefix string) map[string]any {
	return below(d.root, prefix, d).(map[string]any)
}

func below(value any, prefix string, d *Document) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[name] = below(member, prefix, d)
		}
		if ref, ok := v["$ref"].(string); ok && strings.HasPrefix(ref, "#") {
			out["$ref"] = prefix + strings.TrimPrefix(ref, "#")
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = below(v[i], prefix, d)
		}
		return out
	}
	return value
}
