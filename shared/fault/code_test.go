package fault_test

import (
	"slices"
	"testing"

	"portico/shared/fault"
)

// Codes lists a code with its meaning. A second meaning for it panics when the
// program starts.
func TestMeans(t *testing.T) {
	f := fault.New(fault.Conflict, "test_conflict", "This is a test.").Means("Tests meet.")
	want := fault.Code{Kind: fault.Conflict, Code: "test_conflict", Meaning: "Tests meet."}
	if f.Code != want.Code || !slices.Contains(fault.Codes(), want) {
		t.Errorf("%v is not among %v", want, fault.Codes())
	}
	defer func() {
		if recover() == nil {
			t.Error("a second meaning was accepted")
		}
	}()
	_ = fault.New(fault.Conflict, "test_conflict", "This is another.").Means("Tests meet again.")
}
