package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"portico/infra/portico/terminal"
)

// show prints a reply: as it came, or as a record.
func (a *app) show(reply []byte) error {
	if a.json {
		return a.document(reply)
	}
	if len(reply) == 0 {
		return nil
	}
	all, err := membersOf(reply)
	if err != nil {
		return fmt.Errorf("the API's reply is not a JSON object: %w", err)
	}
	r := &sheet{}
	r.add("", all)
	a.out.Record(r.fields)
	for _, t := range r.tables {
		a.out.Line("\n%s", t.Name)
		a.table(t.Value)
	}
	return nil
}

// sheet is an object for people: fields, and arrays of objects as tables.
type sheet struct {
	fields [][2]string
	tables []member
}

// add adds members. Those of an inner object get its name before theirs.
func (r *sheet) add(prefix string, all []member) {
	for _, m := range all {
		name := prefix + terminal.Clean(m.Name)
		switch inner, err := membersOf(m.Value); {
		case slices.Contains(whole, m.Name):
			r.fields = append(r.fields, [2]string{name, cell(m.Value)})
		case isTable(m.Value):
			r.tables = append(r.tables, member{name, m.Value})
		case err == nil && len(inner) > 0:
			r.add(name+".", inner)
		default:
			r.fields = append(r.fields, [2]string{name, cell(m.Value)})
		}
	}
}

// whole are the members whose JSON is the customer's: a record shows them as they are.
var whole = []string{"data", "schema", "examples"}

// document prints one JSON document, if there is one.
func (a *app) document(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := a.Out.Write(append(bytes.TrimRight(text, "\n"), '\n'))
	return err
}

// longestCell is how much of a text a table shows.
const longestCell = 60

// table prints an array of objects, with the members that fit into a cell in every row.
func (a *app) table(array json.RawMessage) {
	var objects []json.RawMessage
	_ = json.Unmarshal(array, &objects) // isTable has seen that it is an array
	members, _ := membersOf(objects[0]) // … of objects
	var heading []string
	rows := make([][]string, len(objects))
	for _, m := range members {
		if slices.ContainsFunc(objects, func(o json.RawMessage) bool { return isNested(at(o, m.Name)) }) {
			continue
		}
		heading = append(heading, strings.ToUpper(m.Name))
		for i, o := range objects {
			rows[i] = append(rows[i], cut(cell(at(o, m.Name))))
		}
	}
	a.out.Table(heading, rows)
}

// isNested reports whether a value has objects.
func isNested(value json.RawMessage) bool {
	_, err := membersOf(value)
	return err == nil || isTable(value)
}

func cut(text string) string {
	if runes := []rune(text); len(runes) > longestCell {
		return string(runes[:longestCell-1]) + "…"
	}
	return text
}

// member is one member of a JSON object.
type member struct {
	Name  string
	Value json.RawMessage
}

// membersOf returns the members of an object in their order.
func membersOf(object []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("it begins with %.20q", object)
	}
	var all []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{Name: fmt.Sprint(name)}
		if err := d.Decode(&m.Value); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	_, err := d.Token()
	return all, err
}

// isTable reports whether a value is an array of objects.
func isTable(value json.RawMessage) bool {
	var objects []json.RawMessage
	if json.Unmarshal(value, &objects) != nil || len(objects) == 0 {
		return false
	}
	_, err := membersOf(objects[0])
	return err == nil
}

// at returns the value at a path such as health.breaker; nil: there is none.
func at(object json.RawMessage, path string) json.RawMessage {
	for name := range strings.SplitSeq(path, ".") {
		var inner map[string]json.RawMessage
		if json.Unmarshal(object, &inner) != nil {
			return nil
		}
		object = inner[name]
	}
	return object
}

// cell returns a value as text for people: a list of texts with commas, nothing as -.
func cell(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && len(value) > 0 && value[0] == '"' {
		return or(terminal.Clean(text))
	}
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil && !bytes.Equal(value, []byte("null")) {
		parts := make([]string, len(list))
		for i, v := range list {
			parts[i] = cell(v)
		}
		return or(strings.Join(parts, ", "))
	}
	switch plain := string(value); plain {
	case "null", "{}", "":
		return "-"
	default:
		var compact bytes.Buffer
		if json.Compact(&compact, value) == nil {
			plain = compact.String()
		}
		return terminal.Clean(plain)
	}
}

func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// cleanLines cleans a text of several lines.
func cleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = terminal.Clean(lines[i])
	}
	return strings.Join(lines, "\n")
}
