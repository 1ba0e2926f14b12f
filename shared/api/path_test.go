package api_test

import (
	"net/http"
	"regexp"
	"slices"
	"testing"

	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/auth"
)

var parameters = regexp.MustCompile(`{([^}]*)}`)

// A path parameter that Postgres cannot store is refused, by every operation that has one.
func TestPathsThatCannotBeStored(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	person, _ := h.NewPerson("person@example.com")
	tried := 0
	for _, o := range api.All() {
		op := o.Meta()
		parameter := parameters.FindStringSubmatch(op.Path)
		if parameter == nil || op.Permission == auth.Public {
			continue
		}
		tried++
		as := acme
		if op.Acts.StaffOnly() {
			as = staff
		}
		if op.Acts == edge.OnSelf {
			as = person
		}
		body := "{}"
		if op.Method == http.MethodGet || op.Method == http.MethodDelete {
			body = ""
		}
		var headers []string
		if op.Acts == edge.OnChosen || op.Acts == edge.OnClosed {
			headers = []string{"Portico-Organization", acme.Org.String()}
		}
		for _, text := range []string{"a%00b", "%ff"} {
			got := as.Do(op.Method, parameters.ReplaceAllString(op.Path, text), body, headers...)
			if got.Status != http.StatusUnprocessableEntity || !slices.Contains(got.Locations(t), "path."+parameter[1]) {
				t.Errorf("%s with %s as %s: %d %s, want 422 with path.%s", op.ID, text, parameter[1], got.Status, got.Body, parameter[1])
			}
		}
	}
	if tried < 50 {
		t.Errorf("only %d operations have a parameter in their path", tried)
	}
}
