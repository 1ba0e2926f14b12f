package api_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/id"
)

var idForm = regexp.MustCompile(`^(org|key|we|whs|evt|dlv|aud|mem|usr|role|grant|staff|dom|mail|job|sup|sso|sst)_`)

// Whoever copies the id of an example into a request gets no error about its form.
func TestExampleIDsCanBeRead(t *testing.T) {
	t.Parallel()
	alike := regexp.MustCompile(`\b(org|key|we|whs|evt|dlv|aud|mem|usr|role|grant|staff|dom|mail|job|sup|sso|sst)_[0-9][0-9a-z]{5,}`)
	text, err := json.Marshal(apitest.Published().Root)
	if err != nil {
		t.Fatal(err)
	}
	found := alike.FindAllString(string(text), -1)
	for _, one := range found {
		_, rest, _ := strings.Cut(one, "_")
		if _, err := id.Parse[id.Org]("org_" + rest); err != nil {
			t.Errorf("%s: %v", one, err)
		}
	}
	if len(found) < 100 {
		t.Errorf("only %d ids were looked at", len(found))
	}
}

// A malformed id anywhere in a body is a 422 that names the member.
func TestMalformedIDsInBodies(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff, person, checked := h.Organization("Acme"), h.NewStaff(), h.NewStaffPerson("operator"), []string{}
	connection := acme.Make("/v1/sso-connections", `{"type":"saml","name":"Okta"}`)
	for _, o := range api.All() {
		op := o.Meta()
		if op.Example == "" {
			continue
		}
		schema := apitest.Published().At("paths", op.Path, strings.ToLower(op.Method), "requestBody", "content", "application/json", "schema")
		for _, path := range idsIn(schema, nil) {
			as := acme
			var headers []string
			switch {
			case op.Acts == edge.OnClosed:
				as, headers = person, []string{"Portico-Organization", acme.Org.String()}
			case op.Acts.StaffOnly():
				as = staff
			}
			var body map[string]any
			if err := json.Unmarshal([]byte(op.Example), &body); err != nil {
				t.Fatal(err)
			}
			at := body
			for _, name := range path[:len(path)-1] {
				at = at[name].(map[string]any)
			}
			for _, wrong := range []string{"1", "x_01jdf3z9k2e4nv6xq8r0s1t2v3", "org_01jdf3z9k2e4nv6xq8r0s1t2u3", "mem_81jdf3z9k2e4nv6xq8r0s1t2v3"} {
				at[path[len(path)-1]] = wrong
				text, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				r := as.Do(op.Method, strings.Replace(op.Path, "/sso-connections/{id}", "/sso-connections/"+connection, 1), string(text), headers...)
				if want := "body." + strings.Join(path, "."); r.Status != 422 || !slices.Equal(r.Locations(t), []string{want}) {
					t.Errorf("%s with %s: %d %s, want a 422 at %s", op.ID, wrong, r.Status, r.Body, want)
				}
			}
			checked = append(checked, strings.Join(path, "."))
		}
	}
	if slices.Sort(checked); !slices.Equal(checked, []string{"break_glass_member_id", "break_glass_member_id", "dead_letters_of", "filter.organization_id", "member_id", "member_id", "member_id", "resource_id"}) {
		t.Errorf("the ids in bodies: %v", checked)
	}
}

// idsIn returns the paths of the members of a schema whose examples are ids.
func idsIn(schema map[string]any, path []string) (paths [][]string) {
	if ref, ok := schema["$ref"].(string); ok {
		schema = apitest.Published().At("components", "schemas", ref[strings.LastIndex(ref, "/")+1:])
	}
	members, _ := schema["properties"].(map[string]any)
	for name, member := range members {
		m, at := member.(map[string]any), append(slices.Clip(path), name)
		if examples, _ := m["examples"].([]any); len(examples) > 0 {
			if text, _ := examples[0].(string); idForm.MatchString(text) {
				paths = append(paths, at)
			}
		}
		paths = append(paths, idsIn(m, at)...)
	}
	return paths
}
