package openapi

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"portico/shared/eventtype/schema"
)

// maxFollowed bounds a chain of references.
const maxFollowed = 20

// follow returns an object, or what its $ref refers to.
func (r *reader) follow(value any) (object, error) {
	for range maxFollowed {
		o, ok := value.(object)
		if !ok {
			return nil, errors.New("a reference leads to no object")
		}
		ref, ok := o["$ref"].(string)
		if !ok {
			return o, nil
		}
		var err error
		if value, err = r.at(ref); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("a reference leads to too many others")
}

// at returns what a reference inside the document refers to.
func (r *reader) at(ref string) (any, error) {
	encoded, ok := strings.CutPrefix(ref, "#/")
	pointer, err := url.PathUnescape(encoded)
	if !ok || err != nil {
		return nil, fmt.Errorf("the reference %q leads out of the document, and nothing is fetched", short(ref))
	}
	var value any = r.document
	for token := range strings.SplitSeq(pointer, "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch v := value.(type) {
		case object:
			value, ok = v[token]
		case []any:
			i, err := strconv.Atoi(token)
			if ok = err == nil && i >= 0 && i < len(v); ok {
				value = v[i]
			}
		default:
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("the document has nothing at the reference %q", short(ref))
		}
	}
	return value, nil
}

// standalone returns a schema that has a copy of everything that it refers to.
func (r *reader) standalone(s any) (object, error) {
	c := copier{reader: r, names: map[string]string{}, defs: object{}}
	if o, ok := s.(object); ok && o["$ref"] != nil && len(o) == 1 {
		target, err := r.follow(s)
		if err != nil {
			return nil, err
		}
		c.root, _ = o["$ref"].(string)
		s = target
	}
	copied, err := c.copy(s)
	if err != nil {
		return nil, err
	}
	whole, ok := copied.(object)
	if !ok {
		whole = object{"allOf": []any{copied}}
	}
	for len(c.todo) > 0 {
		ref := c.todo[0]
		c.todo = c.todo[1:]
		value, err := r.at(ref)
		if err != nil {
			return nil, err
		}
		if c.defs[c.names[ref]], err = c.copy(value); err != nil {
			return nil, err
		}
	}
	if len(c.defs) > 0 {
		whole["$defs"] = c.defs
	}
	return whole, nil
}

// copier copies one schema.
type copier struct {
	*reader
	root  string            // the reference to the schema itself, if it is one
	names map[string]string // of references: their names below $defs
	todo  []string
	defs  object
	bytes int
}

var errTooLarge = fmt.Errorf("the schema has more than %d bytes with all that it refers to", schema.MaxSize)

// spend counts what is copied.
func (c *copier) spend(bytes int) error {
	c.bytes += bytes
	c.copied += bytes
	if c.bytes > 2*schema.MaxSize { // roughly: its text decides later
		return errTooLarge
	}
	if c.copied > maxCopied {
		return errors.New("the document's schemas are too large together: import it in parts")
	}
	return nil
}

func (c *copier) copy(value any) (any, error) {
	if err := c.spend(1); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case object:
		return c.copyObject(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = c.copy(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case string:
		return v, c.spend(len(v))
	}
	return value, nil
}

func (c *copier) copyObject(o object) (any, error) {
	out := make(object, len(o))
	for _, name := range slices.Sorted(maps.Keys(o)) { // so that the same document gives the same names below $defs
		member := o[name]
		if err := c.spend(len(name)); err != nil {
			return nil, err
		}
		if ref, ok := member.(string); ok && name == "$ref" {
			out[name] = "#"
			if ref != c.root {
				out[name] = "#/$defs/" + c.nameOf(ref)
			}
			continue
		}
		copied, err := c.copy(member)
		if err != nil {
			return nil, err
		}
		out[name] = copied
	}
	if c.old {
		modernize(out)
	}
	return out, nil
}

// nameOf returns the name below $defs of what a reference refers to.
func (c *copier) nameOf(ref string) string {
	if name, ok := c.names[ref]; ok {
		return name
	}
	name := "s" + strconv.Itoa(len(c.names)+1)
	if last := ref[strings.LastIndexByte(ref, '/')+1:]; plain.MatchString(last) && !made.MatchString(last) && !c.taken(last) {
		name = last
	}
	c.names[ref] = name
	c.todo = append(c.todo, ref)
	return name
}

func (c *copier) taken(name string) bool {
	for _, other := range c.names {
		if other == name {
			return true
		}
	}
	return false
}

var (
	plain = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`) // needs no escapes in a reference
	made  = regexp.MustCompile(`^s[0-9]+$`)         // by nameOf
)

// modernize makes a schema of OpenAPI 3.0 one of draft 2020-12.
func modernize(s object) {
	if s["nullable"] == true {
		if t, ok := s["type"].(string); ok {
			s["type"] = []any{t, "null"}
		}
		if values, ok := s["enum"].([]any); ok {
			s["enum"] = append(values, nil)
		}
	}
	for exclusive, limit := range map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"} {
		switch s[exclusive] {
		case true:
			s[exclusive] = s[limit]
			delete(s, limit)
			if s[exclusive] == nil {
				delete(s, exclusive)
			}
		case false:
			delete(s, exclusive)
		}
	}
	if _, ok := s["nullable"].(bool); ok {
		delete(s, "nullable")
	}
}

func escape(token string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
}

// short cuts a text that the customer has sent.
func short(text string) string {
	runes := []rune(strings.ToValidUTF8(text, "\uFFFD"))
	return string(runes[:min(len(runes), 100)])
}

// depth returns how deep objects and lists are nested, and stops above maxDepth.
func depth(value any, above int) int {
	deepest := above
	if above > maxDepth {
		return above
	}
	switch v := value.(type) {
	case object:
		for _, member := range v {
			deepest = max(deepest, depth(member, above+1))
		}
	case []any:
		for _, item := range v {
			deepest = max(deepest, depth(item, above+1))
		}
	}
	return deepest
}
