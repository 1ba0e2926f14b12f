package schema

import (
	"context"
	"errors"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"portico/shared/pattern"
)

// A schema of a few lines can take time that grows exponentially: with the depth
// of its references, or with that of the data. So each step is counted before it is
// taken. A step takes 100 to 400 ns.
const (
	maxSteps      = 2_000_000
	maxExplaining = 100_000 // so few that the list of errors stays small
	// lookEvery is after how many steps the deadline is checked.
	lookEvery = 10_000
)

// meter counts the steps of one validation.
type meter struct {
	ctx     context.Context
	left    int64
	lookAt  int64 // of left
	stopped error
}

func (m *meter) start(ctx context.Context, steps int64) {
	*m = meter{ctx: ctx, left: steps, lookAt: steps}
}

var errStopped = errors.New("stopped")

// spend counts steps. After an error every further call fails at once, which ends
// the validation.
func (m *meter) spend(steps int64) error {
	if m.stopped != nil {
		return errStopped
	}
	if m.left -= steps; m.left <= m.lookAt {
		m.lookAt = m.left - lookEvery
		m.stopped = m.ctx.Err()
	}
	if m.left < 0 && m.stopped == nil {
		m.stopped = ErrTooMuch
	}
	if m.stopped != nil {
		return errStopped
	}
	return nil
}

// meterName is the format that the library believes to check.
const meterName = "portico-meter"

// measure makes every subschema that the root can reach count its steps. The library
// has no hook for this, but it calls a subschema's format before it looks at other
// subschemas; formats are not checked otherwise. It refuses a schema that refers to
// itself without going into the data: that would not end.
func (m *meter) measure(root *jsonschema.Schema) error {
	w := measuring{meter: m, state: map[*jsonschema.Schema]int{}}
	return w.visit(root)
}

type measuring struct {
	meter *meter
	state map[*jsonschema.Schema]int // 1: its in-place subschemas are being visited, 2: done
	later []*jsonschema.Schema
}

func (w *measuring) visit(root *jsonschema.Schema) error {
	w.later = []*jsonschema.Schema{root}
	for len(w.later) > 0 {
		next := w.later[len(w.later)-1]
		w.later = w.later[:len(w.later)-1]
		if err := w.enter(next); err != nil {
			return err
		}
	}
	return nil
}

func (w *measuring) enter(s *jsonschema.Schema) error {
	switch w.state[s] {
	case 1:
		return errors.New("refers to itself at " + ruleOf(s.Location) + " without going into the data, so it would never end")
	case 2:
		return nil
	}
	w.state[s] = 1
	c := costOf(s)
	s.Format = &jsonschema.Format{Name: meterName, Validate: func(v any) error { return w.meter.spend(c.of(v)) }}
	for _, sub := range inPlace(s) {
		if err := w.enter(sub); err != nil {
			return err
		}
	}
	w.state[s] = 2
	members, items := inside(s)
	w.later = append(append(w.later, members...), items...)
	return nil
}

// inPlace returns the subschemas that look at the same value.
func inPlace(s *jsonschema.Schema) (list []*jsonschema.Schema) {
	for _, sub := range []*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else} {
		if sub != nil {
			list = append(list, sub)
		}
	}
	list = append(append(append(list, s.AllOf...), s.AnyOf...), s.OneOf...)
	for _, sub := range s.DependentSchemas {
		list = append(list, sub)
	}
	return list
}

// inside returns the subschemas that look at members and at items of the value.
func inside(s *jsonschema.Schema) (members, items []*jsonschema.Schema) {
	additional, _ := s.AdditionalProperties.(*jsonschema.Schema)
	for _, sub := range []*jsonschema.Schema{s.PropertyNames, additional, s.UnevaluatedProperties} {
		if sub != nil {
			members = append(members, sub)
		}
	}
	for _, sub := range s.Properties {
		members = append(members, sub)
	}
	for _, sub := range s.PatternProperties {
		members = append(members, sub)
	}
	for _, sub := range []*jsonschema.Schema{s.Contains, s.Items2020, s.UnevaluatedItems} {
		if sub != nil {
			items = append(items, sub)
		}
	}
	return members, append(items, s.PrefixItems...)
}

// cost is what looking at a value takes, without the steps of subschemas but for
// their beginning: before they count, they compare it with const and enum.
type cost struct {
	once, perMember, perItem int64
	instructions             int64 // of the pattern
	names                    int64 // instructions of the patterns of members' names
	unique                   bool
}

func costOf(s *jsonschema.Schema) cost {
	c := cost{once: 1 + int64(len(s.Required)), perMember: 2, perItem: 2, unique: s.UniqueItems}
	for _, sub := range inPlace(s) {
		c.once += beginning(sub)
	}
	for _, names := range s.DependentRequired {
		c.once += int64(len(names))
	}
	c.perMember += rulesFor(s.Properties, s.PropertyNames, s.UnevaluatedProperties)
	if additional, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		c.perMember += beginning(additional)
	}
	for pattern, sub := range s.PatternProperties {
		c.names += instructionsOf(pattern.String())
		c.perMember += beginning(sub)
	}
	var first int64
	for _, sub := range s.PrefixItems {
		first = max(first, beginning(sub))
	}
	c.perItem += first + rulesFor(nil, s.Contains, s.Items2020, s.UnevaluatedItems)
	if s.Pattern != nil {
		c.instructions = instructionsOf(s.Pattern.String())
	}
	return c
}

// rulesFor returns the beginning of the dearest of the named subschemas, of which
// one looks at a member, and of all the others.
func rulesFor(named map[string]*jsonschema.Schema, others ...*jsonschema.Schema) (steps int64) {
	for _, sub := range named {
		steps = max(steps, beginning(sub))
	}
	for _, sub := range others {
		if sub != nil {
			steps += beginning(sub)
		}
	}
	return steps
}

// beginning is what a subschema does before it counts.
func beginning(s *jsonschema.Schema) int64 {
	steps := int64(1)
	if s.Const != nil {
		steps += 4 * sizeOf(*s.Const)
	}
	if s.Enum != nil {
		for _, value := range s.Enum.Values {
			steps += 4 * sizeOf(value)
		}
	}
	return steps
}

// of returns the steps for a value. An instruction of a pattern takes about a
// sixteenth of a step for each byte.
func (c cost) of(v any) int64 {
	steps := c.once
	switch v := v.(type) {
	case map[string]any:
		steps += c.perMember * int64(len(v))
		if c.names > 0 {
			for name := range v {
				steps += c.names * int64(len(name)+1) / 16
			}
		}
	case []any:
		steps += c.perItem * int64(len(v))
		if c.unique {
			steps += 10 * sizeOf(v)
		}
	case string:
		steps += int64(len(v))/64 + c.instructions*int64(len(v))/16
	}
	return steps
}

// sizeOf returns how many values a value has, and one for each 64 bytes of text.
func sizeOf(value any) int64 {
	size := int64(1)
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			size += int64(len(name))/64 + sizeOf(member)
		}
	case []any:
		for _, item := range v {
			size += sizeOf(item)
		}
	case string:
		size += int64(len(v)) / 64
	}
	return size
}

func instructionsOf(text string) int64 {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return maxInstructions // cannot happen: it is compiled
	}
	return int64(pattern.Instructions(tree, maxInstructions))
}
