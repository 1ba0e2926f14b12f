package signin

import (
	"strings"
	"testing"

	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/secret"
)

// A code has eight characters that are not confused, and is read however it is typed.
// What is stored of it shows neither the code nor that two links have the same one.
func TestCode(t *testing.T) {
	for range 1000 {
		if code := Code(secret.NewToken()); len(code) != 8 || strings.Trim(code, alphabet) != "" || ReadCode(code) != code {
			t.Fatalf("code %q", code)
		}
	}
	if got := ReadCode(" abo-iL 0z"); got != "AB0110Z" {
		t.Errorf("read %q", got)
	}
	box, err := secret.Parse([]byte(`{"current":"1","1":"` + strings.Repeat("test only ", 5) + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	s := NewStore(dynamo.Sorted{}, box, clock.New(0))
	one, _ := s.seal("one", "ABCDEFGH")
	again, _ := s.seal("one", "ABCDEFGH")
	two, _ := s.seal("two", "ABCDEFGH")
	if one != again || one == two || len(one) != 43 {
		t.Errorf("sealed: %s, %s, %s", one, again, two)
	}
}
