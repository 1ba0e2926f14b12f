// Package schema compiles the JSON Schemas (draft 2020-12) that customers write, and
// validates data against them. A schema refers only to itself: nothing is loaded.
// Neither a schema nor data can cost more than the limits here allow, however they
// were made.
package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The limits of a schema. Those of validating are in meter.go.
const (
	// MaxSize is how many bytes a schema may have.
	MaxSize         = 64 << 10
	maxDepth        = 48   // of its text: objects and lists
	maxSubschemas   = 1000 // also bounds how deep they refer to each other
	maxRefs         = 250
	maxInstructions = 2000 // of its regular expressions together, compiled
	maxNumber       = 400  // characters of a number, and its exponent
)

// Schema is a compiled schema. It is safe for concurrent use, but validates one
// value at a time.
type Schema struct {
	mu    sync.Mutex
	root  *jsonschema.Schema
	quick *jsonschema.Schema // is valid where root is not, and finds it without making errors
	meter meter
}

// location is the address of every schema while it is compiled; an error names a
// place in it.
const location = "https://schema.invalid/"

// Compile returns the compiled schema, or an error for the customer who wrote it:
// the end of a sentence.
func Compile(text []byte) (*Schema, error) {
	d, err := Parse(text)
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(jsonschema.SchemeURLLoader{}) // none
	if err := compiler.AddResource(location, d.root); err != nil {
		return nil, errors.New("must be a JSON Schema of draft 2020-12")
	}
	root, err := compiler.Compile(location)
	if err != nil {
		return nil, inWords(err)
	}
	s := &Schema{root: root, quick: &jsonschema.Schema{DraftVersion: root.DraftVersion, Not: root}}
	return s, s.meter.measure(root)
}

// inWords returns the library's refusal of a schema as the end of a sentence.
func inWords(err error) error {
	var invalid *jsonschema.SchemaValidationError
	var found *jsonschema.ValidationError
	if !errors.As(err, &invalid) || !errors.As(invalid.Err, &found) {
		return fmt.Errorf("must be a JSON Schema of draft 2020-12: %s", short(err.Error()))
	}
	for len(found.Causes) > 0 {
		found = found.Causes[0]
	}
	return fmt.Errorf("must be a JSON Schema of draft 2020-12: at %s it is not: %s", pointerOf(found.InstanceLocation), said(found))
}

// Violation is a rule of a schema that data break.
type Violation struct {
	// Path is where in the data, such as `.items[3].name`; "" is the whole.
	Path string
	// Message is the end of a sentence about the value at Path.
	Message string
	// Rule is where in the schema the rule is, such as #/properties/name/type.
	Rule string
}

// ErrTooMuch is returned when data need more steps than a validation may take.
var ErrTooMuch = errors.New("needs too many steps to be validated: make the data smaller, or the schema simpler")

// maxViolations is how many violations are named.
const maxViolations = 10

// Validate returns the first rules that the data break; none if they are valid. It
// returns ErrTooMuch if they take too many steps, and the error of ctx when it ends.
func (s *Schema) Validate(ctx context.Context, data json.RawMessage) ([]Violation, error) {
	value, err := decode(data)
	if err != nil {
		return []Violation{{Message: err.Error(), Rule: "#"}}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter.start(ctx, maxSteps)
	isValid := s.quick.Validate(value) != nil
	if s.meter.stopped != nil || isValid {
		return nil, s.meter.stopped
	}
	s.meter.start(ctx, maxExplaining)
	list := violations(s.root.Validate(value), value)
	if errors.Is(s.meter.stopped, ErrTooMuch) && len(list) > 0 {
		return list, nil // those found so far
	}
	if s.meter.stopped != nil && !errors.Is(s.meter.stopped, ErrTooMuch) {
		return nil, s.meter.stopped
	}
	if len(list) == 0 {
		list = []Violation{{Message: "does not match the schema; it is too large to say where", Rule: "#"}}
	}
	return list, nil
}

// decode reads JSON and keeps its numbers as they are written.
func decode(text []byte) (any, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, errors.New("must be JSON")
	}
	return value, checkNumbers(value)
}
