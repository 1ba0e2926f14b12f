package gateway

import (
	"fmt"
	"net/url"
	"strings"
)

// router finds the most specific route: literal segments before {parameters},
// these before {greedy+} ones, a method before ANY, and $default last.
type router struct {
	root     node
	fallback *route
}

// node is one step in a path, or its end.
type node struct {
	literal map[string]*node
	param   *node
	greedy  *node
	routes  map[string]*route // by method
}

type route struct {
	key    string // as the event names it
	invoke Invoke
	params []string // names, in the order of the path
}

func (t *router) add(r Route) error {
	if r.Path == "$default" {
		if t.fallback != nil {
			return fmt.Errorf("there are two $default routes")
		}
		t.fallback = &route{key: "$default", invoke: r.Invoke}
		return nil
	}
	added := &route{key: r.Method + " " + r.Path, invoke: r.Invoke}
	path, ok := strings.CutPrefix(r.Path, "/")
	if !ok {
		return fmt.Errorf("route %s must begin with /", added.key)
	}
	n := &t.root
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		name, kind := parameter(segment)
		if kind == greedyParameter && i < len(segments)-1 {
			return fmt.Errorf("route %s: {%s+} must be last", added.key, name)
		}
		if kind != literal {
			added.params = append(added.params, name)
		}
		n = n.step(kind, segment)
	}
	if n.routes == nil {
		n.routes = map[string]*route{}
	}
	if before := n.routes[r.Method]; before != nil {
		return fmt.Errorf("routes %q and %q match the same requests", before.key, added.key)
	}
	n.routes[r.Method] = added
	return nil
}

type segmentKind int

const (
	literal segmentKind = iota
	oneParameter
	greedyParameter
)

// parameter reads {name} and {name+}.
func parameter(segment string) (name string, kind segmentKind) {
	name, ok := strings.CutPrefix(segment, "{")
	if !ok {
		return "", literal
	}
	name, greedy := strings.CutSuffix(strings.TrimSuffix(name, "}"), "+")
	if greedy {
		return name, greedyParameter
	}
	return name, oneParameter
}

// step returns the node for a segment, and creates it if necessary.
func (n *node) step(kind segmentKind, segment string) *node {
	next := n.literal[segment]
	switch kind {
	case oneParameter:
		next = n.param
	case greedyParameter:
		next = n.greedy
	}
	if next != nil {
		return next
	}
	next = &node{}
	switch kind {
	case oneParameter:
		n.param = next
	case greedyParameter:
		n.greedy = next
	default:
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		n.literal[segment] = next
	}
	return next
}

// match returns nil when no route matches. The path is still escaped, so that
// an escaped slash does not split a segment; the parameters are decoded.
func (t *router) match(method, path string) (*route, map[string]string) {
	var values []string
	found := t.root.find(method, strings.TrimPrefix(path, "/"), &values)
	if found == nil {
		return t.fallback, nil
	}
	if len(found.params) == 0 {
		return found, nil
	}
	parameters := make(map[string]string, len(found.params))
	for i, name := range found.params {
		parameters[name] = unescape(values[i])
	}
	return found, parameters
}

// find matches the rest of a path below n and stores the parameters in values.
func (n *node) find(method, rest string, values *[]string) *route {
	segment, after, more := strings.Cut(rest, "/")
	depth := len(*values)
	try := func(next *node, value ...string) *route {
		if next == nil {
			return nil
		}
		*values = append((*values)[:depth], value...)
		if more {
			return next.find(method, after, values)
		}
		return next.route(method)
	}
	if r := try(n.literal[segment]); r != nil {
		return r
	}
	if segment != "" {
		if r := try(n.param, segment); r != nil {
			return r
		}
	}
	if n.greedy != nil && rest != "" {
		*values = append((*values)[:depth], rest)
		return n.greedy.route(method)
	}
	return nil
}

func (n *node) route(method string) *route {
	if r := n.routes[method]; r != nil {
		return r
	}
	return n.routes["ANY"]
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
