package generate

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// world is what a caller has learned of the API's state, from replies only.
type world struct {
	ids     map[string][]string // by their prefix, such as we
	names   map[string][]string // by the path of their list and the parameter's name
	cursors map[string][]string // by the path of their list
	hidden  map[string]bool     // ids that are never used, so that nothing happens to what they name
}

func newWorld() *world {
	return &world{ids: map[string][]string{}, names: map[string][]string{}, cursors: map[string][]string{}, hidden: map[string]bool{}}
}

// known bounds how many ids of a kind are remembered: old ones may have ended.
const known = 8

var (
	idForm   = regexp.MustCompile(`^([a-z]+)_[0-7][0-9a-hjkmnp-tv-z]{25}$`)
	idInText = regexp.MustCompile(`\b[a-z]+_[0-7][0-9a-hjkmnp-tv-z]{25}\b`)
)

// learn remembers what a success shows: ids, the names of a list's items, cursors.
func (w *world) learn(o *Operation, body []byte) {
	var value any
	if json.Unmarshal(body, &value) != nil {
		return
	}
	w.learnIDs(value)
	object, _ := value.(map[string]any)
	items, _ := object["data"].([]any)
	for _, item := range items {
		item, _ := item.(map[string]any)
		for _, member := range []string{"id", "name"} {
			if text, ok := item[member].(string); ok {
				key := o.Path + " " + member
				w.names[key] = remember(w.names[key], text)
			}
		}
	}
	if next, ok := object["next"].(string); ok {
		w.cursors[o.Path] = remember(w.cursors[o.Path], next)
	}
}

func (w *world) learnIDs(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			w.learnIDs(v[name])
		}
	case []any:
		for _, item := range v {
			w.learnIDs(item)
		}
	case string:
		if found := idForm.FindStringSubmatch(v); found != nil && !w.hidden[v] {
			w.ids[found[1]] = remember(w.ids[found[1]], v)
		}
	}
}

func remember(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	list = append(list, text)
	return list[max(0, len(list)-known):]
}

// hide forgets ids, and never uses them again.
func (w *world) hide(text []byte) {
	for _, id := range idInText.FindAllString(string(text), -1) {
		w.hidden[id] = true
		prefix, _, _ := strings.Cut(id, "_")
		w.ids[prefix] = slices.DeleteFunc(w.ids[prefix], func(one string) bool { return one == id })
	}
	for key := range w.names {
		w.names[key] = slices.DeleteFunc(w.names[key], func(one string) bool { return w.hidden[one] })
	}
}

// prefixOf returns the prefix of the ids in a schema's examples or pattern; "": it
// is of no id.
func prefixOf(schema map[string]any) string {
	if pattern, ok := schema["pattern"].(string); ok {
		if prefix, _, ok := strings.Cut(strings.TrimPrefix(pattern, "^"), "_[0-7]"); ok {
			return prefix
		}
	}
	examples, _ := schema["examples"].([]any)
	for _, e := range examples {
		if text, ok := e.(string); ok {
			if found := idForm.FindStringSubmatch(text); found != nil {
				return found[1]
			}
		}
	}
	return ""
}
