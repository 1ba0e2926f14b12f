package role

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"portico/shared/auth"
	"portico/shared/id"
)

// MaxCondition bounds a condition in bytes, and with it what judging one costs:
// Cedar has neither loops nor calls.
const MaxCondition = 1000

// condition is a compiled condition.
type condition struct {
	policies *cedar.PolicySet // nil: none, which always holds
	err      error
}

// CheckCondition says in a sentence's end what is wrong with a condition.
func CheckCondition(text string) error {
	if len(text) > MaxCondition {
		return fmt.Errorf("must have at most %d bytes", MaxCondition)
	}
	return compile(text).err
}

// compile makes one policy of a condition. A text that would end the policy
// and begin another, or add a clause, is none.
func compile(text string) condition {
	if text == "" {
		return condition{}
	}
	if strings.ContainsRune(text, 0) {
		return condition{err: errors.New("must not hold the character U+0000")}
	}
	list, err := cedar.NewPolicyListFromBytes("condition", []byte("permit (principal, action, resource) when {\n"+text+"\n};"))
	if err != nil {
		return condition{err: fmt.Errorf("is no Cedar expression: %w", err)}
	}
	if len(list) != 1 || clauses(list[0]) != 1 {
		return condition{err: errors.New("must be a single Cedar expression, without clauses and policies of its own")}
	}
	set := cedar.NewPolicySet()
	set.Add("condition", list[0])
	return condition{policies: set}
}

// clauses counts the when and unless of a policy.
func clauses(p *cedar.Policy) int {
	var form struct {
		Conditions []json.RawMessage `json:"conditions"`
	}
	body, err := p.MarshalJSON()
	if err != nil || json.Unmarshal(body, &form) != nil {
		return 0
	}
	return len(form.Conditions)
}

// refuses says why the condition does not hold, or "" if it does. An error in
// it refuses: a missing attribute must never open anything.
func (k condition) refuses(m id.Member, p auth.Permission, r Resource, c Context) string {
	if k.err != nil {
		return "The condition cannot be read: it " + k.err.Error() + "."
	}
	if k.policies == nil {
		return ""
	}
	what := types.NewEntityUID("Resource", types.String(r.ID))
	attributes := record(r.Attributes)
	if r.ID != "" {
		attributes["type"], attributes["id"] = types.String(r.Type), types.String(r.ID)
	}
	entities := types.EntityMap{what: types.Entity{UID: what, Attributes: types.NewRecord(attributes)}}
	decision, diagnostic := cedar.Authorize(k.policies, entities, cedar.Request{
		Principal: types.NewEntityUID("Member", types.String(m.String())),
		Action:    types.NewEntityUID("Permission", types.String(p)),
		Resource:  what,
		Context:   c.record(),
	})
	switch {
	case len(diagnostic.Errors) > 0:
		return "The condition cannot be judged: " + diagnostic.Errors[0].Message + "."
	case decision != cedar.Allow:
		return "The condition does not hold."
	}
	return ""
}

func (c Context) record() types.Record {
	known := types.RecordMap{}
	if c.IP.IsValid() {
		if ip, err := types.ParseIPAddr(c.IP.Unmap().String()); err == nil {
			known["ip"] = ip
		}
	}
	if !c.Now.IsZero() {
		known["now"] = types.NewDatetime(c.Now)
	}
	return types.NewRecord(known)
}

// record translates attributes. One of another type is left out, so that what
// looks at it does not hold.
func record(attributes map[string]any) types.RecordMap {
	out := types.RecordMap{}
	for name, value := range attributes {
		switch v := value.(type) {
		case string:
			out[types.String(name)] = types.String(v)
		case bool:
			out[types.String(name)] = types.Boolean(v)
		case int64:
			out[types.String(name)] = types.Long(v)
		case []string:
			var set []types.Value
			for _, s := range v {
				set = append(set, types.String(s))
			}
			out[types.String(name)] = types.NewSet(set...)
		case map[string]string:
			inner := types.RecordMap{}
			for k, s := range v {
				inner[types.String(k)] = types.String(s)
			}
			out[types.String(name)] = types.NewRecord(inner)
		}
	}
	return out
}
