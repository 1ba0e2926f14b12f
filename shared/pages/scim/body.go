package scim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"portico/shared/directory"
)

// object is a resource, or a part of one, as JSON.
type object = map[string]any

func invalid(kind, detail string) refusal {
	return refusal{status: http.StatusBadRequest, kind: kind, detail: detail}
}

// bodyOf reads the body of a request that has one.
func bodyOf(in request) (object, error) {
	if in.Method != http.MethodPost && in.Method != http.MethodPut && in.Method != http.MethodPatch {
		return nil, nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, in.Body, maxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, refusal{status: http.StatusRequestEntityTooLarge, detail: "The body is larger than 1 MiB. Send fewer members at once."}
	}
	var o object
	if err != nil || json.Unmarshal(text, &o) != nil || o == nil {
		return nil, invalid("invalidSyntax", "The body is no JSON object.")
	}
	return o, nil
}

// find returns a member of an object, whatever the case of its name.
func find(o object, name string) (value any, key string) {
	for k, v := range o {
		if strings.EqualFold(k, name) {
			return v, k
		}
	}
	return nil, name
}

func get(o object, name string) any {
	v, _ := find(o, name)
	return v
}

// put sets a member of an object, whatever the case of its name.
func put(o object, name string, value any) {
	_, key := find(o, name)
	o[key] = value
}

// text reads a text of an object; without one it is empty.
func text(o object, name string, most int) (string, error) {
	switch v := get(o, name).(type) {
	case nil:
		return "", nil
	case string:
		if len([]rune(v)) > most || strings.ContainsFunc(v, unicode.IsControl) {
			return "", invalid("invalidValue", name+" has more than "+strconv.Itoa(most)+" characters, or control characters.")
		}
		return strings.TrimSpace(v), nil
	}
	return "", invalid("invalidValue", name+" must be a text.")
}

// truth reads a boolean, which Entra sends as a text; without one it is otherwise.
func truth(o object, name string, otherwise bool) (bool, error) {
	switch v := get(o, name).(type) {
	case nil:
		return otherwise, nil
	case bool:
		return v, nil
	case string:
		if b, err := strconv.ParseBool(strings.ToLower(v)); err == nil {
			return b, nil
		}
	}
	return false, invalid("invalidValue", name+" must be true or false.")
}

// objects reads a list of objects.
func objects(o object, name string) (list []object, err error) {
	switch v := get(o, name).(type) {
	case nil:
		return nil, nil
	case []any:
		for _, one := range v {
			item, ok := one.(object)
			if !ok {
				return nil, invalid("invalidValue", name+" must be a list of objects.")
			}
			list = append(list, item)
		}
		return list, nil
	}
	return nil, invalid("invalidValue", name+" must be a list of objects.")
}

// page is which part of a list is wanted.
type page struct{ skip, limit int }

// The bounds of a page, and how many there are if the provider does not say.
const (
	pageMost = 200
	pageElse = 100
)

// pageOf reads startIndex, which counts from 1, and count.
func pageOf(query url.Values) (p page, err error) {
	first, err := number(query, "startIndex", 1)
	if err != nil {
		return p, err
	}
	p.limit, err = number(query, "count", pageElse)
	p.skip, p.limit = max(first, 1)-1, min(max(p.limit, 0), pageMost)
	return p, err
}

func number(query url.Values, name string, otherwise int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, invalid("invalidValue", name+" must be a whole number.")
	}
	return int(n), nil
}

// listed is the reply to a list.
func listed[T any](items []T, total int64, p page, show func(T) object) reply {
	shown := []object{}
	for _, one := range items {
		shown = append(shown, show(one))
	}
	return reply{status: http.StatusOK, body: object{
		"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, "totalResults": total, "startIndex": p.skip + 1, "itemsPerPage": len(shown), "Resources": shown,
	}}
}

// without reports whether the reply need not have an attribute.
func without(in request, attribute string) bool {
	return slices.ContainsFunc(strings.Split(in.URL.Query().Get("excludedAttributes"), ","), func(name string) bool {
		return strings.EqualFold(strings.TrimSpace(name), attribute)
	})
}

// find reads a filter of a list; attributes says where each attribute belongs.
func findOf(query url.Values, attributes map[string]func(*directory.Find) **string) (f directory.Find, err error) {
	text := query.Get("filter")
	if strings.TrimSpace(text) == "" {
		return f, nil
	}
	conditions, err := parseFilter(text)
	if err != nil {
		return f, err
	}
	for _, c := range conditions {
		if c.attribute == "active" && attributes["emails"] != nil {
			b, isBool := c.value.(bool)
			if !isBool {
				return f, invalid("invalidFilter", "active is true or false.")
			}
			f.Nothing = f.Nothing || f.Active != nil && *f.Active != b
			f.Active = &b
			continue
		}
		of, known := attributes[c.attribute]
		value, isText := c.value.(string)
		if !known || !isText {
			return f, invalid("invalidFilter", "A filter can compare only the attributes in the documentation, with a text.")
		}
		at := of(&f)
		f.Nothing = f.Nothing || *at != nil && **at != value
		*at = &value
	}
	return f, nil
}
