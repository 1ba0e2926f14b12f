package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// jsonFormat reads and writes bodies. Reading is strict where two readers could
// understand differently: invalid UTF-8 and repeated names are refused.
var jsonFormat = huma.Format{
	Marshal: encodeJSON,
	Unmarshal: func(data []byte, v any) error {
		if _, validating := v.(*any); validating { // huma's first pass over the body
			if err := checkJSON(data); err != nil {
				return err
			}
		}
		return json.Unmarshal(data, v)
	},
}

// encodeJSON writes v without escaping <, > and &: these are no web pages.
func encodeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// opaque is the member whose value belongs to the customer and is not looked into.
const opaque = "data"

func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("is not valid UTF-8")
	}
	if !json.Valid(data) {
		return json.Unmarshal(data, new(any)) // says where
	}
	s := scanner{rest: data}
	return s.value(false)
}

// scanner walks over JSON that is known to be valid and looks for repeated names.
type scanner struct{ rest []byte }

// value steps over one value; skip leaves the names in it unchecked.
func (s *scanner) value(skip bool) error {
	switch s.peek() {
	case '{':
		return s.object(skip)
	case '[':
		s.rest = s.rest[1:]
		for s.peek() != ']' {
			if err := s.value(skip); err != nil {
				return err
			}
			if s.peek() == ',' {
				s.rest = s.rest[1:]
			}
		}
		s.rest = s.rest[1:]
	case '"':
		s.text()
	default:
		for len(s.rest) > 0 && !isDelimiter(s.rest[0]) {
			s.rest = s.rest[1:]
		}
	}
	return nil
}

func (s *scanner) object(skip bool) error {
	s.rest = s.rest[1:]
	seen := map[string]bool{}
	for s.peek() != '}' {
		quoted := s.text()
		var name string
		if !skip {
			if err := json.Unmarshal(quoted, &name); err != nil {
				return err
			}
			if seen[name] {
				return fmt.Errorf("has the name %q twice in one object", name)
			}
			seen[name] = true
		}
		s.peek()
		s.rest = s.rest[1:] // the colon
		if err := s.value(skip || name == opaque); err != nil {
			return err
		}
		if s.peek() == ',' {
			s.rest = s.rest[1:]
		}
	}
	s.rest = s.rest[1:]
	return nil
}

// peek steps over white space and returns the next byte.
func (s *scanner) peek() byte {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\t' || s.rest[0] == '\n' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
	if len(s.rest) == 0 {
		return 0
	}
	return s.rest[0]
}

// text steps over a string and returns it with its quotes.
func (s *scanner) text() []byte {
	s.peek()
	for i := 1; ; i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			quoted := s.rest[:i+1]
			s.rest = s.rest[i+1:]
			return quoted
		}
	}
}

func isDelimiter(c byte) bool {
	return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\n' || c == '\r'
}
