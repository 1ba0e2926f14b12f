package webhook_test

import (
	"testing"

	"portico/shared/fault"
	"portico/shared/webhook"
)

// The fault of a filter that is refused names the field.
func TestRefusedFilter(t *testing.T) {
	f := fault.Of(webhook.OptionsChange{Filter: new("date.amount > 1")}.Check())
	if f == nil || len(f.Fields) != 1 || f.Fields[0].Name != "filter" || f.Fields[0].Message == "" {
		t.Errorf("%+v", f)
	}
}
