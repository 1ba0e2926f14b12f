package limit

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Overrides are limits that replace those of the stage for one key or one
// organization, by the name of the policy. One whose name follows Own is at most the
// limit: it never raises it, also after the stage's has changed. An item keeps them as
// text in its attribute OverrideAttribute; without the attribute it has none.
type Overrides map[string]int64

// Own stands before the name of a policy whose limit an organization has lowered for
// its key.
const Own = "own."

// OverrideAttribute is the attribute of an item that holds its Overrides.
const OverrideAttribute = "limits"

// String writes them as `name=limit`, sorted and joined by spaces; "" for none.
func (o Overrides) String() string {
	list := make([]string, 0, len(o))
	for _, name := range slices.Sorted(maps.Keys(o)) {
		list = append(list, name+"="+strconv.FormatInt(o[name], 10))
	}
	return strings.Join(list, " ")
}

// ParseOverrides reads what String has written.
func ParseOverrides(text string) (Overrides, error) {
	o := Overrides{}
	for _, field := range strings.Fields(text) {
		name, number, _ := strings.Cut(field, "=")
		limit, err := strconv.ParseInt(number, 10, 64)
		if err != nil || limit < 1 || limit > MaxLimit {
			return nil, fmt.Errorf("limit: %q is no override", field)
		}
		o[name] = limit
	}
	return o, nil
}

// Override returns the policies with the limits of o.
func (l Policies) Override(o Overrides) Policies {
	if len(o) == 0 {
		return l
	}
	list := slices.Clone(l)
	for i, p := range list {
		if limit, ok := o[p.Name]; ok {
			p = p.With(limit)
		}
		if limit, ok := o[Own+p.Name]; ok && limit < p.Limit {
			p = p.With(limit)
		}
		list[i] = p
	}
	return list
}
