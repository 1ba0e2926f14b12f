package edge

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/shared/fault"
)

// A field is in the body unless its name says where it is. The hint is added only
// to the fields of its fault.
func TestFieldsOf(t *testing.T) {
	f := fault.Of(fault.Join(
		Hint(fault.InvalidField("permissions[0]", "is not a permission"), "List them with GET /v1/permissions"),
		fault.InvalidField("query.after", "is wrong"), fault.InvalidField("header.Idempotency-Key", "is wrong"),
		fault.InvalidField("body", "is not an object"), fault.InvalidField("headers", "are too many")))
	want := []Field{
		{"body.permissions[0]", "is not a permission. List them with GET /v1/permissions"}, {"query.after", "is wrong"},
		{"header.Idempotency-Key", "is wrong"}, {"body", "is not an object"}, {"body.headers", "are too many"},
	}
	if diff := cmp.Diff(want, fieldsOf(f)); diff != "" {
		t.Error(diff)
	}
	if other := fault.New(fault.Denied, "test_denied", "No."); Hint(other, "Ask.") != error(other) || Hint(nil, "Ask.") != nil {
		t.Error("the hint changed a fault without fields")
	}
}
