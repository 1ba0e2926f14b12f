package id_test

import (
	"testing"
	"time"

	"portico/shared/id"
)

// The same text gives the same id, and another text gives another id. Its UUID
// version differs from that of New, so it never equals a new id.
func TestDerive(t *testing.T) {
	t.Parallel()
	a, b, drawn := id.Derive[id.Org]("a"), id.Derive[id.Org]("b"), id.New[id.Org](time.Now())
	if a != id.Derive[id.Org]("a") || a == b {
		t.Errorf("%s, %s, %s", a, id.Derive[id.Org]("a"), b)
	}
	if a.Version() != 8 || drawn.Version() != 7 || a.Variant() != drawn.Variant() {
		t.Errorf("version %d, variant %v", a.Version(), a.Variant())
	}
	if again, err := id.Parse[id.Org](a.String()); err != nil || again != a {
		t.Errorf("%s is read back as %s (%v)", a, again, err)
	}
}
