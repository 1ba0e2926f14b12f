package limit_test

import (
	"testing"

	"portico/shared/limit"
)

// Overrides are read as they are written. A limit of the organization's own never
// raises the other one.
func TestOverrides(t *testing.T) {
	for text, want := range map[string]int64{
		"":                      10,
		"work=20":               20,
		"own.work=5":            5,
		"own.work=15":           10,
		"own.work=15 work=20":   15,
		"own.work=15 work=12":   12,
		"other=1 own.other=100": 10,
	} {
		o, err := limit.ParseOverrides(text)
		if err != nil || o.String() != text {
			t.Errorf("%q is read as %v, %v", text, o, err)
		}
		stage := limit.Policies{{Name: "work", Limit: 10}}
		if got := stage.Override(o)[0].Limit; got != want || stage[0].Limit != 10 {
			t.Errorf("%q makes the limit %d, want %d; the stage's is now %d", text, got, want, stage[0].Limit)
		}
	}
	if p := (limit.Policies{{Name: "requests", Algorithm: limit.TokenBucket}}).Override(limit.Overrides{"requests": 7})[0]; p.Burst != 14 {
		t.Errorf("the burst of an overridden token bucket is %d", p.Burst)
	}
	for _, text := range []string{"work", "work=", "work=0", "work=-1", "work=1.5", "work=100000001"} {
		if o, err := limit.ParseOverrides(text); err == nil {
			t.Errorf("%q is read as %v", text, o)
		}
	}
}
