package signin_test

import (
	"regexp"
	"strings"
	"testing"
)

var inputs = regexp.MustCompile(`<input [^>]*>`)

// What is typed as a password is hidden. Password managers know the fields, and no script
// keeps anybody from pasting.
func TestPasswordFields(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.post("/sign-up", "email", ada)
	confirm := b.get(s.mail().link)
	b.signUp(ada)
	b.post("/reset", "email", ada)
	reset := s.browser().get(s.mail().link)
	change := b.get("/account/password")
	other := s.browser()
	signIn := other.follow(other.post("/sign-in", "email", ada))
	for name, p := range map[string]page{"confirm": confirm, "reset": reset, "change": change, "sign-in": signIn} {
		fields := 0
		for _, input := range inputs.FindAllString(p.text, -1) {
			if !strings.Contains(input, "-password\"") {
				continue
			}
			if fields++; !strings.Contains(input, `type="password"`) || strings.Contains(input, "maxlength") {
				t.Errorf("%s: %s", name, input)
			}
		}
		if fields == 0 || strings.Contains(p.text, "<script") {
			t.Errorf("%s: %d fields for passwords, or a script: %s", name, fields, main(p.text))
		}
	}
}
