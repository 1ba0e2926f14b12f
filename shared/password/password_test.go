package password_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"portico/shared/password"
	"portico/shared/secret"
)

// material is that of version 1 of the pepper; the known answers below use it.
const material = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"

func newHasher(t *testing.T, keys string) *password.Hasher {
	t.Helper()
	box, err := secret.Parse([]byte(keys))
	if err != nil {
		t.Fatal(err)
	}
	return password.NewHasher(box)
}

func one(t *testing.T) *password.Hasher {
	return newHasher(t, fmt.Sprintf(`{"current":"1","1":%q}`, material))
}

func hash(t *testing.T, h *password.Hasher, text string) password.Hash {
	t.Helper()
	stored, err := h.Hash(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func verify(t *testing.T, h *password.Hasher, text string, stored password.Hash) (right, old bool) {
	t.Helper()
	right, old, err := h.Verify(t.Context(), text, stored)
	if err != nil {
		t.Fatal(err)
	}
	return right, old
}

// P1: a new hash has at least the parameters that OWASP asks for, and a salt of its own.
func TestParameters(t *testing.T) {
	t.Parallel()
	h := one(t)
	a, b := hash(t, h, "correct horse"), hash(t, h, "correct horse")
	if form := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`); !form.MatchString(a.PHC) || a.Pepper != 1 {
		t.Errorf("%+v", a)
	}
	if a.PHC == b.PHC {
		t.Error("two hashes of one password are the same")
	}
}

// These hashes were made by Python's argon2-cffi 25.1.0, of Python's HMAC-SHA-256 under
// SHA-256("portico mac key\n" + material). Stored passwords must go on being right.
func TestKnownAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		password, phc string
		old           bool
	}{
		{"correct horse battery staple", "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$IeiKU2+39Z17t1rrCAA5RNoREap6wqZqZyMapgDmlOs", false},
		{"Gr\u00fc\u00dfe aus K\u00f6ln", "$argon2id$v=19$m=19456,t=2,p=1$ZmVkY2JhOTg3NjU0MzIxMA$7rsytvQ6IjLGNdHv0FRBNtxeM0OcJBc7zUeJ8LxIqdo", false},
		{"Gru\u0308\u00dfe aus Ko\u0308ln", "$argon2id$v=19$m=19456,t=2,p=1$ZmVkY2JhOTg3NjU0MzIxMA$7rsytvQ6IjLGNdHv0FRBNtxeM0OcJBc7zUeJ8LxIqdo", false}, // as macOS may type it
		{"tr0ub4dor&3", "$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHQ$t74dLo+NLEJQSqsoIXALCg", true},
	} {
		stored := password.Hash{PHC: tt.phc, Pepper: 1}
		if right, old := verify(t, one(t), tt.password, stored); !right || old != tt.old {
			t.Errorf("%s: %v, hash again %v", tt.password, right, old)
		}
		if right, old := verify(t, one(t), tt.password+" ", stored); right || old {
			t.Errorf("%s and a space: %v, hash again %v", tt.password, right, old)
		}
	}
}

// P2: every character counts, also behind the 72 bytes at which bcrypt stops.
func TestEveryCharacterCounts(t *testing.T) {
	t.Parallel()
	h := one(t)
	for _, n := range []int{8, 64, 73, 256} {
		text := strings.Repeat("ä", n-1)
		stored := hash(t, h, text+"x")
		if right, _ := verify(t, h, text+"x", stored); !right {
			t.Errorf("%d characters: the right password is refused", n)
		}
		for _, wrong := range []string{text + "y", text, text + "xx"} {
			if right, _ := verify(t, h, wrong, stored); right {
				t.Errorf("%d characters: a wrong password of %d bytes is right", n, len(wrong))
			}
		}
	}
}

// A hash under an older version of the pepper is still right and asks to be made
// again; that of a version which is gone is an error, not a wrong password.
func TestPepper(t *testing.T) {
	t.Parallel()
	stored := hash(t, one(t), "correct horse")
	second := strings.ToLower(material[:32]) + material[:20]
	rotated := newHasher(t, fmt.Sprintf(`{"current":"2","1":%q,"2":%q}`, material, second))
	if right, old := verify(t, rotated, "correct horse", stored); !right || !old {
		t.Errorf("after a rotation: %v, hash again %v", right, old)
	}
	if right, old := verify(t, rotated, "wrong horse", stored); right || old {
		t.Errorf("a wrong password after a rotation: %v, hash again %v", right, old)
	}
	again := hash(t, rotated, "correct horse")
	if right, old := verify(t, rotated, "correct horse", again); !right || old || again.Pepper != 2 {
		t.Errorf("hashed again: %v, hash again %v, %+v", right, old, again)
	}
	for _, other := range []string{fmt.Sprintf(`{"current":"2","2":%q}`, second), fmt.Sprintf(`{"current":"1","1":%q}`, second)} {
		right, _, err := newHasher(t, other).Verify(t.Context(), "correct horse", stored)
		if gone := strings.HasPrefix(other, `{"current":"2"`); right || gone != (err != nil) {
			t.Errorf("without its pepper: %v, %v", right, err)
		}
	}
}

// P4: whoever has no password costs the one hash that others cost, and nothing is right.
func TestNobody(t *testing.T) {
	t.Parallel()
	h := one(t)
	stored := hash(t, h, "correct horse")
	for name, of := range map[string]password.Hash{"somebody": stored, "nobody": {}} {
		before := h.Made()
		if right, old := verify(t, h, "", of); right || old {
			t.Errorf("%s: %v, hash again %v", name, right, old)
		}
		if n := h.Made() - before; n != 1 {
			t.Errorf("%s costs %d hashes", name, n)
		}
	}
}

// What is not a hash, or one that would take all memory, is an error that shows
// nothing of it.
func TestMalformedHash(t *testing.T) {
	t.Parallel()
	const good = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$IeiKU2+39Z17t1rrCAA5RNoREap6wqZqZyMapgDmlOs"
	for _, change := range [][2]string{
		{good, ""}, {good, "password"}, {"$argon2id", "argon2id"}, {"argon2id", "argon2i"}, {"v=19", "v=16"}, {"m=19456", "m=4194304"}, {"m=19456", "m=7"},
		{"m=19456", "m=019456"}, {"m=19456", "m=-1"}, {"m=19456", "m=99999999999999999999"}, {"t=2", "t=0"}, {"t=2", "t=1000"}, {"p=1", "p=0"}, {"p=1", "p=200"}, {"p=1", "p=1,x=1"},
		{"MDEyMzQ1Njc4OWFiY2RlZg", "MDEy"}, {"MDEyMzQ1Njc4OWFiY2RlZg", "MDEyMzQ1Njc4OWFiY2RlZg=="}, {"IeiKU2+39Z17t1rrCAA5RNoREap6wqZqZyMapgDmlOs", ""}, {"DmlOs", "DmlOs$"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		h := one(t)
		if right, _, err := h.Verify(t.Context(), "correct horse battery staple", password.Hash{PHC: text, Pepper: 1}); right || err == nil || strings.Contains(err.Error(), "IeiKU2") || h.Made() != 0 {
			t.Errorf("%s: %v, %v, %d hashes", text, right, err, h.Made())
		}
	}
	for _, pepper := range []int{0, 2, 257, -255} {
		if right, _, err := one(t).Verify(t.Context(), "correct horse battery staple", password.Hash{PHC: good, Pepper: pepper}); right || err == nil {
			t.Errorf("pepper %d: %v, %v", pepper, right, err)
		}
	}
}
