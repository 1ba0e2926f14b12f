package audit

import (
	"maps"
	"slices"
	"strings"
)

// Category groups actions by what a reader of the log looks for.
type Category string

// The categories.
const (
	Security      Category = "security"      // who may do what: keys, members, roles, secrets, domains
	Configuration Category = "configuration" // how Portico works for the organization
	Access        Category = "access"        // records were read
	Data          Category = "data"          // records were added, sent again or removed
)

// Categories returns all categories.
func Categories() []Category { return []Category{Security, Configuration, Access, Data} }

// Action is an entry of the registry: what an entry with this name says. An operation
// whose action is not in the registry does not start.
type Action struct {
	Name        string // <noun>.<verb>
	Category    Category
	Description string   // a sentence, in the past
	Targets     []string // the types of the targets
	Fields      []string // what Before and After may show
	Outlives    bool     // the platform's log says it, too, and keeps it when the organization is erased
}

// Actions returns the registry, by name.
func Actions() []Action {
	return slices.SortedFunc(maps.Values(byName), func(a, b Action) int { return strings.Compare(a.Name, b.Name) })
}

// Find returns the action with a name.
func Find(name string) (Action, bool) {
	a, found := byName[name]
	return a, found
}

var byName = func() map[string]Action {
	named := map[string]Action{}
	for _, a := range slices.Concat(securityActions, configurationActions, accessActions, dataActions) {
		if _, twice := named[a.Name]; twice {
			panic("audit: the action " + a.Name + " is defined twice")
		}
		named[a.Name] = a
	}
	return named
}()

// outlives marks an action that the platform's log says, too.
func outlives(a Action) Action {
	a.Outlives = true
	return a
}

// define returns an action; its targets and fields have spaces between them.
func define(category Category, name, description, targets, fields string) Action {
	return Action{Name: name, Category: category, Description: description, Targets: strings.Fields(targets), Fields: strings.Fields(fields)}
}
