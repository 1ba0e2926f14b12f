package role

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"portico/shared/auth"
	"portico/shared/id"
)

// MaxCondition bounds a condition in bytes, and so the cost of evaluating it:
// Cedar has no loops and no function definitions.
const MaxCondition = 1000

// maxNesting bounds how deep brackets and prefix operators are nested.
const maxNesting = 32

// condition is a compiled condition.
type condition struct {
	policies *cedar.PolicySet // nil: none, which always holds
	err      error
	// looksAtResource may be true of a condition that only seems to.
	looksAtResource bool
}

// CheckCondition returns what is wrong with a condition, as the end of a
// sentence.
func CheckCondition(text string) error {
	if len(text) > MaxCondition {
		return fmt.Errorf("must have at most %d bytes", MaxCondition)
	}
	return compile(text).err
}

// compile makes one policy from a condition. It refuses a text that would end the
// policy and start another one, or add a clause.
func compile(text string) condition {
	if text == "" {
		return condition{}
	}
	if strings.ContainsRune(text, 0) {
		return condition{err: errors.New("must not contain the character U+0000")}
	}
	if nesting(text) > maxNesting {
		return condition{err: fmt.Errorf("must not nest brackets, ! and - deeper than %d levels", maxNesting)}
	}
	list, err := cedar.NewPolicyListFromBytes("condition", []byte("permit (principal, action, resource) when {\n"+text+"\n};"))
	if err != nil {
		return condition{err: fmt.Errorf("is not a Cedar expression: %w", err)}
	}
	if len(list) != 1 || len(list[0].AST().Conditions) != 1 {
		return condition{err: errors.New("must be one Cedar expression, without a clause or a policy")}
	}
	set := cedar.NewPolicySet()
	set.Add("condition", list[0])
	return condition{policies: set, looksAtResource: looksAtResource(text)}
}

// looksAtResource reports whether the word resource stands outside of texts and
// comments.
func looksAtResource(text string) bool {
	for _, token := range tokens.FindAllString(text, -1) {
		if !strings.HasPrefix(token, `"`) && !strings.HasPrefix(token, "//") && !strings.HasPrefix(token, "/*") && resourceWord.MatchString(token) {
			return true
		}
	}
	return false
}

var resourceWord = regexp.MustCompile(`\bresource\b`)

// nesting returns how deep brackets and prefix operators are nested. It runs
// before the parser and ignores strings and comments.
func nesting(text string) (deepest int) {
	var open []int // at each open bracket: how many operators stand before it
	depth, prefix := 0, 0
	for _, token := range tokens.FindAllString(text, -1) {
		if strings.HasPrefix(token, "//") || strings.HasPrefix(token, "/*") {
			continue // as if it were white space
		}
		switch token {
		case "!", "-":
			prefix++
		case "(", "[", "{":
			open = append(open, prefix)
			depth += prefix + 1
			prefix = 0
		case ")", "]", "}":
			if n := len(open); n > 0 {
				depth -= open[n-1] + 1
				open = open[:n-1]
			}
			prefix = 0
		default:
			prefix = 0
		}
		deepest = max(deepest, depth+prefix)
	}
	return deepest
}

// tokens splits a condition: texts, comments, != and words are one token each.
var tokens = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?|//.*|/\*(?s:.*?)(?:\*/|$)|!=|[^\s"!()\[\]{}/-]+|\S`)

// refuses returns why the condition is not true, or "" if it is. An error counts
// as not true, so a missing attribute never gives access.
func (k condition) refuses(m id.Member, p auth.Permission, r auth.Resource, c Context) string {
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
		return "The condition cannot be evaluated: " + diagnostic.Errors[0].Message + "."
	case decision != cedar.Allow:
		return "The condition is false."
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

// record converts attributes. An attribute of another type is left out, so a
// condition that uses it is not true.
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
