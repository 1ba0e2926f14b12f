package job

import (
	"maps"
	"slices"
	"time"
)

// Declaration is what the code says about a kind, for people.
type Declaration struct {
	Name          string
	Queue         Queue
	Timeout       time.Duration
	PerOrg, InAll int    // 0: any number
	Throttle      string // "": none
	Visible       bool
	Alone         bool
	Platform      bool
}

// Visible returns the kinds whose jobs customers see, sorted.
func (r *Registry) Visible() []string {
	return slices.DeleteFunc(r.Names(), func(name string) bool { return !r.kinds[name].visible })
}

// Has reports whether there is a kind with the name.
func (r *Registry) Has(kind string) bool {
	_, ok := r.kinds[kind]
	return ok
}

// Declarations returns every kind, sorted by name.
func (r *Registry) Declarations() []Declaration {
	var list []Declaration
	for _, name := range slices.Sorted(maps.Keys(r.kinds)) {
		d := r.kinds[name]
		shown := Declaration{
			Name: name, Queue: d.queue, Timeout: d.timeout, PerOrg: d.perOrg, InAll: d.inAll, Visible: d.visible, Alone: d.alone, Platform: d.platform,
		}
		if d.throttle != nil {
			shown.Throttle = d.throttle.Name
		}
		list = append(list, shown)
	}
	return list
}
