package audit_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"portico/shared/audit"
)

// Every action has the form noun.verb, a category, a sentence and targets.
func TestActions(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`)
	for _, a := range audit.Actions() {
		if !form.MatchString(a.Name) || !slices.Contains(audit.Categories(), a.Category) || len(a.Targets) == 0 {
			t.Errorf("%+v", a)
		}
		if !strings.HasSuffix(a.Description, ".") || len(a.Description) > 120 {
			t.Errorf("%s: %q is not a short sentence", a.Name, a.Description)
		}
	}
}
