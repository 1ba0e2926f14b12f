package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/shared/fault"
)

var errGone = fault.New(fault.NotFound, "thing_not_found", "There is no thing with this id.")

// A fault is found by its code anywhere in a chain of errors, with or without a
// cause.
func TestIs(t *testing.T) {
	because := errGone.Because(io.ErrUnexpectedEOF)
	for what, err := range map[string]error{
		"itself":               errGone,
		"with a cause":         because,
		"wrapped":              fmt.Errorf("store: %w", because),
		"joined":               errors.Join(io.EOF, because),
		"another of its code":  fault.New(fault.NotFound, "thing_not_found", "Other words."),
		"the cause of another": fault.New(fault.Conflict, "other", "Other.").Because(errGone),
	} {
		if !errors.Is(err, errGone) {
			t.Errorf("%s: not found", what)
		}
	}
	for what, err := range map[string]error{
		"another code": fault.New(fault.NotFound, "other_not_found", "There is no thing with this id."),
		"no fault":     io.EOF,
		"nothing":      nil,
	} {
		if errors.Is(err, errGone) {
			t.Errorf("%s: found", what)
		}
	}
	if !errors.Is(because, io.ErrUnexpectedEOF) {
		t.Error("the cause is not in the chain")
	}
}

// Of returns the outermost fault of a chain, or nil for a defect.
func TestOf(t *testing.T) {
	because := errGone.Because(io.EOF)
	if got := fault.Of(fmt.Errorf("store: %w", because)); got != because {
		t.Errorf("got %v, want the fault", got)
	}
	if got := fault.Of(io.EOF); got != nil {
		t.Errorf("a defect is %v", got)
	}
	if got := fault.Of(nil); got != nil {
		t.Errorf("nil is %v", got)
	}
}

// A cause stays private: it changes neither the shared fault nor the text that is
// shown.
func TestBecause(t *testing.T) {
	because := errGone.Because(errors.New("relation does not exist"))
	if errGone.Unwrap() != nil {
		t.Error("the shared fault got the cause")
	}
	if because.Detail != errGone.Detail || because.Code != errGone.Code || because.Kind != errGone.Kind {
		t.Errorf("%+v differs from %+v", because, errGone)
	}
	if got, want := because.Error(), "thing_not_found: relation does not exist"; got != want {
		t.Errorf("the log says %q, want %q", got, want)
	}
	if got, want := errGone.Error(), "thing_not_found: There is no thing with this id."; got != want {
		t.Errorf("the log says %q, want %q", got, want)
	}
}

// A wrong field is named with its place.
func TestInvalidField(t *testing.T) {
	f := fault.InvalidField("url", "must start with https://")
	if f.Kind != fault.Invalid || f.Code != "invalid_request" {
		t.Errorf("kind %d, code %s", f.Kind, f.Code)
	}
	if diff := cmp.Diff([]fault.Field{{Name: "url", Message: "must start with https://"}}, f.Fields); diff != "" {
		t.Error(diff)
	}
}

// Several wrong fields are one fault. Any other error counts only if no field is
// wrong.
func TestJoin(t *testing.T) {
	a, b := fault.InvalidField("a", "is wrong"), fault.InvalidField("b", "is wrong too")
	for _, tt := range []struct {
		name string
		errs []error
		want error
	}{
		{"nothing", []error{nil, nil}, nil},
		{"one field", []error{nil, a}, a},
		{"another kind", []error{nil, errGone, io.EOF}, errGone},
		{"a field after another kind", []error{errGone, a}, a},
	} {
		if got := fault.Join(tt.errs...); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	both := fault.Of(fault.Join(a, io.EOF, b))
	if diff := cmp.Diff([]fault.Field{a.Fields[0], b.Fields[0]}, both.Fields); diff != "" || both.Kind != fault.Invalid {
		t.Errorf("two fields: kind %d\n%s", both.Kind, diff)
	}
}
