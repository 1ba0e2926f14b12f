package generate

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maker makes the parts of requests.
type maker struct {
	*Document
	random *rand.Rand
	world  *world
	made   int // numbers what must be unique
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// chance is true n times out of a hundred.
func (m *maker) chance(n int) bool { return m.random.IntN(100) < n }

// id returns the id of something that exists, or else one that nothing has.
func (m *maker) id(prefix string) string {
	if list := m.world.ids[prefix]; len(list) > 0 {
		return pick(m.random, list)
	}
	return prefix + "_01890000000000000000000000"
}

// path fills in the parameters of an operation's path.
func (m *maker) path(o *Operation) string {
	path := o.Path
	for _, p := range o.Parameters {
		if p.In != "path" {
			continue
		}
		value := ""
		before, _, _ := strings.Cut(o.Path, "/{"+p.Name+"}")
		if names := m.world.names[before+" "+p.Name]; len(names) > 0 {
			value = pick(m.random, names)
		} else if prefix := prefixOf(p.Schema); prefix != "" {
			value = m.id(prefix)
		} else {
			value, _ = m.value(p.Schema, 0).(string)
		}
		path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(value), 1)
	}
	return path
}

// query returns some of an operation's query parameters, encoded.
func (m *maker) query(o *Operation) string {
	values := url.Values{}
	for _, p := range o.Parameters {
		switch {
		case p.In != "query" || !p.Required && !m.chance(30):
		case p.Name == "after":
			if list := m.world.cursors[o.Path]; len(list) > 0 {
				values.Set(p.Name, pick(m.random, list))
			}
		default:
			if text := fmt.Sprint(m.value(p.Schema, 0)); text != "" {
				values.Set(p.Name, text)
			}
		}
	}
	return values.Encode()
}

// body returns a valid body: the example, with ids of things that exist and with
// some members made from their schema. nil if the operation takes none.
func (m *maker) body(o *Operation) any {
	if o.Body == nil {
		return nil
	}
	body := m.revive(o.Example)
	object, ok := body.(map[string]any)
	properties, _ := o.Body["properties"].(map[string]any)
	if !ok {
		return body
	}
	required, _ := o.Body["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		switch _, given := object[name]; {
		case m.chance(15):
			object[name] = m.value(m.resolve(properties[name]), 0)
		case given && m.chance(20) && !slices.Contains(required, any(name)):
			delete(object, name)
		}
	}
	return object
}

// revive copies an example, with ids of things that exist and with unique names.
func (m *maker) revive(example any) any {
	switch v := example.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out[name] = m.revive(v[name])
			if text, ok := out[name].(string); ok && (name == "name" || name == "email" || name == "recipient") {
				m.made++
				out[name] = fmt.Sprintf("g%d%s", m.made, strings.ToLower(text))
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			out = append(out, m.revive(item))
		}
		return out
	case string:
		if found := idForm.FindStringSubmatch(v); found != nil {
			return m.id(found[1])
		}
	}
	return example
}

// value returns a value that a schema allows.
func (m *maker) value(schema map[string]any, depth int) any {
	if enum, ok := schema["enum"].([]any); ok {
		return pick(m.random, enum)
	}
	if prefix := prefixOf(schema); prefix != "" {
		return m.id(prefix)
	}
	if examples, ok := schema["examples"].([]any); ok && m.chance(70) {
		return m.revive(pick(m.random, examples))
	}
	switch kindOf(schema) {
	case "object":
		return m.object(schema, depth)
	case "array":
		list := []any{}
		for range m.size(schema, "minItems", "maxItems", 3) {
			list = append(list, m.value(m.resolve(schema["items"]), depth+1))
		}
		return list
	case "integer", "number":
		return m.number(schema)
	case "boolean":
		return m.chance(50)
	case "string":
		return m.text(schema)
	}
	return pick(m.random, []any{nil, true, 1.5, "text", []any{1.0}, map[string]any{"total": 101.0}})
}

func kindOf(schema map[string]any) string {
	if list, ok := schema["type"].([]any); ok && len(list) > 0 {
		kind, _ := list[0].(string)
		return kind
	}
	kind, _ := schema["type"].(string)
	return kind
}

func (m *maker) object(schema map[string]any, depth int) any {
	out := map[string]any{}
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) || depth < 4 && m.chance(40) {
			out[name] = m.value(m.resolve(properties[name]), depth+1)
		}
	}
	if more, ok := schema["additionalProperties"].(map[string]any); ok {
		for i := range m.random.IntN(4) {
			out[fmt.Sprintf("X-%d", i)] = m.value(m.resolve(more), depth+1)
		}
	}
	return out
}

func (m *maker) number(schema map[string]any) any {
	least, most := 0.0, 1000.0
	if v, ok := schema["minimum"].(float64); ok {
		least = v
	}
	if v, ok := schema["maximum"].(float64); ok {
		most = v
	}
	value := pick(m.random, []float64{least, most, least + float64(m.random.Int64N(int64(most-least)+1))})
	return json.Number(fmt.Sprintf("%.0f", value))
}

// size returns a length between two bounds of a schema, mostly a small one.
func (m *maker) size(schema map[string]any, least, most string, usual int) int {
	low, _ := schema[least].(float64)
	high, bounded := schema[most].(float64)
	if bounded && m.chance(5) {
		return int(high)
	}
	return int(low) + m.random.IntN(usual)
}

const letters = "abcdefghijklmnopqrstuvwxyz"

func (m *maker) text(schema map[string]any) string {
	if schema["format"] == "date-time" {
		return time.Now().Add(time.Duration(m.random.IntN(2000)-1000) * time.Hour).UTC().Format(time.RFC3339)
	}
	if pattern, ok := schema["pattern"].(string); ok && strings.Contains(pattern, `\.`) {
		return pick(m.random, []string{"invoice.paid", "customer.created", "order.shipped"})
	}
	var out strings.Builder
	for range max(1, m.size(schema, "minLength", "maxLength", 12)) {
		out.WriteByte(letters[m.random.IntN(len(letters))])
	}
	return out.String()
}
