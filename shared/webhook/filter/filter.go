// Package filter decides which events an endpoint gets beyond their types: by an
// expression over an event's type and data. The cost of an expression that Check
// accepts is bounded.
package filter

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"

	"github.com/expr-lang/expr/vm"
)

// Event is what a filter looks at. It is not safe for concurrent use.
type Event struct {
	Type string
	Data json.RawMessage
	env  *env // made for the first filter
}

// env has the variables that a filter can use.
type env struct {
	Type string `expr:"type"`
	Data any    `expr:"data"`
}

// Meets reports whether a filter is true for the event. An empty filter always
// is. A filter that fails on the data, or does not return a boolean, is not.
func (e *Event) Meets(filter string) bool {
	if filter == "" {
		return true
	}
	program := filters.get(filter)
	if program == nil {
		return false
	}
	if e.env == nil {
		e.env = &env{Type: e.Type, Data: decode(e.Data)}
	}
	machine := vm.VM{MemoryBudget: maxMemory}
	held, err := machine.Run(program, e.env)
	return err == nil && held == true
}

// decode reads JSON. Whole numbers that fit become int, so that large ones
// compare exactly; all other numbers become float64.
func decode(data json.RawMessage) (value any) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil // the edge accepts JSON only
	}
	return withNumbers(value)
}

func withNumbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		f, _ := v.Float64() // infinite if it overflows
		return f
	case []any:
		for i := range v {
			v[i] = withNumbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = withNumbers(v[key])
		}
	}
	return value
}

// programs is a cache of compiled filters by their text. It is safe for
// concurrent use.
type programs struct {
	mu   sync.Mutex
	kept map[string]*vm.Program
}

// maxPrograms bounds the cache; a program takes about 10 KB. The filters of all
// endpoints of one organization fit, twice.
const maxPrograms = 2000

var filters = programs{kept: map[string]*vm.Program{}}

// get returns the compiled filter, or nil if it does not compile.
func (p *programs) get(filter string) *vm.Program {
	p.mu.Lock()
	defer p.mu.Unlock()
	program, ok := p.kept[filter]
	if ok {
		return program
	}
	if len(p.kept) >= maxPrograms {
		for some := range p.kept {
			delete(p.kept, some)
			break
		}
	}
	program, _ = compile(filter)
	p.kept[filter] = program
	return program
}
