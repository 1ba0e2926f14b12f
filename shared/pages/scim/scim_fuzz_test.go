package scim

import (
	"encoding/json"
	"testing"
)

// Whatever a filter is, it is read or refused as invalid.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{`userName eq "a"`, `id eq "x" and members eq "y"`, `emails[type eq "work"].value eq "a"`, `a eq`, `active eq true`, `a eq "\ud800"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseFilter(text)
		if refused, ok := err.(refusal); err != nil && (!ok || refused.kind != "invalidFilter") || err == nil && len(list) == 0 {
			t.Errorf("%q: %v %v", text, list, err)
		}
	})
}

// Whatever a PATCH is, it changes a person to one who can be stored, or is refused with a
// status of the provider's.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`{"Operations":[{"op":"replace","value":{"active":false}}]}`, `{"Operations":[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"a@example.com"}]}`,
		`{"Operations":[{"op":"add","path":"name","value":{"givenName":"A"}}]}`, `{"Operations":[{"op":"remove","path":"emails[primary eq true]"}]}`,
		`{"Operations":[{"op":"add","path":"emails","value":[{"value":[]}]}]}`, `{"Operations":[{"op":"add","path":"emails","value":[null]}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var patch object
		if json.Unmarshal([]byte(text), &patch) != nil {
			return
		}
		o := object{"userName": "a@example.com", "name": object{}, "emails": []any{object{"value": "a@example.com", "type": "work", "primary": true}}}
		err := userShape.apply(o, patch)
		if err == nil {
			var u, _ = readUser(o)
			_, err = readUser(o)
			if err == nil && (u.UserName == "" || u.Email == "" || len([]rune(u.UserName)) > 254) {
				t.Errorf("%s makes %+v", text, u)
			}
		}
		if refused, ok := err.(refusal); err != nil && (!ok || refused.status != 400) {
			t.Errorf("%s: %v", text, err)
		}
	})
}
