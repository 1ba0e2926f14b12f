package webhook

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"

	"github.com/expr-lang/expr/vm"

	"portico/shared/fault"
	"portico/shared/id"
)

// Candidate is an event that endpoints may get. It is for one goroutine.
type Candidate struct {
	Type string
	Data json.RawMessage
	// About is the endpoint that an operational event is about and that does not
	// get it; zero in all other events.
	About id.WebhookEndpoint
	env   *filterEnv // once the first filter has asked
}

// filterEnv is all that a filter sees.
type filterEnv struct {
	Type string `expr:"type"`
	Data any    `expr:"data"`
}

// Meets reports whether a filter holds for the event; the empty one always
// does. One that fails on the data, or yields anything but a boolean, does not.
func (c *Candidate) Meets(filter string) bool {
	if filter == "" {
		return true
	}
	program := filters.get(filter)
	if program == nil {
		return false
	}
	if c.env == nil {
		c.env = &filterEnv{Type: c.Type, Data: decode(c.Data)}
	}
	machine := vm.VM{MemoryBudget: filterMemory}
	held, err := machine.Run(program, c.env)
	return err == nil && held == true
}

// decode reads JSON with its whole numbers as int where they fit, so that large
// ones compare exactly, and all others as float64.
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
		f, _ := v.Float64() // infinite where it overflows
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

// checkFilter refuses what cannot be compiled within the limits.
func (c OptionsChange) checkFilter() error {
	if c.Filter == nil || *c.Filter == "" {
		return nil
	}
	if _, err := compileFilter(*c.Filter); err != nil {
		return fault.InvalidField("filter", err.Error())
	}
	return nil
}

// programs keeps compiled filters by their text. It is for many goroutines.
type programs struct {
	mu   sync.Mutex
	kept map[string]*vm.Program
}

// maxPrograms bounds what a process keeps, at some 10 KB each. The endpoints of
// one organization fit.
const maxPrograms = 2 * MaxEndpoints

var filters = programs{kept: map[string]*vm.Program{}}

// get returns the filter compiled, or nil if it cannot be.
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
	program, _ = compileFilter(filter)
	p.kept[filter] = program
	return program
}
