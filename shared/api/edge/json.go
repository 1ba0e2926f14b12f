package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// jsonFormat reads and writes bodies. Reading is strict about what different
// parsers would read differently: invalid UTF-8 and repeated names are refused.
var jsonFormat = huma.Format{
	Marshal: encodeJSON,
	Unmarshal: func(data []byte, v any) error {
		if _, validating := v.(*any); validating { // huma's first pass over the body
			envelope, err := checkJSON(data)
			if err != nil {
				return err
			}
			data = envelope
		}
		return inWords(json.Unmarshal(data, v))
	},
}

// notWhole is the start of the message about a number such as 1.0 or 1e3 in place of a
// whole one; the path of its member follows. The schema accepts it.
const notWhole = "is not written as a whole number: "

// inWords returns an error of encoding/json without the names of Go's types. Its path
// also names embedded structs; no member of ours begins with a capital.
func inWords(err error) error {
	wrong := new(json.UnmarshalTypeError)
	if !errors.As(err, &wrong) {
		return err
	}
	names := slices.DeleteFunc(strings.Split(wrong.Field, "."), func(name string) bool { return name != "" && name[0] >= 'A' && name[0] <= 'Z' })
	return errors.New(notWhole + strings.Join(names, "."))
}

// encodeJSON writes v without escaping <, > and &, which only web pages need.
func encodeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// opaque is the member whose value is the customer's own and is not inspected.
const opaque = "data"

// maxDepth bounds the nesting of a body. Some parsers of receivers refuse a depth
// of 65.
const maxDepth = 64

// checkJSON returns the body with every opaque value replaced by 0. That is
// enough for the schema check, and large data need not be decoded.
func checkJSON(data []byte) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not valid UTF-8")
	}
	if !json.Valid(data) {
		return nil, json.Unmarshal(data, new(any)) // for the position in its error
	}
	s := scanner{whole: data, rest: data, copied: data, envelope: make([]byte, 0, min(len(data), 4<<10))}
	if err := s.value(); err != nil {
		return nil, err
	}
	return append(s.envelope, s.copied...), nil
}

// scanner walks over JSON that is known to be valid, looks for repeated names
// and leaves opaque values out of the envelope.
type scanner struct {
	whole    []byte
	rest     []byte
	depth    int
	copied   []byte // the part from which the envelope still has to be copied
	envelope []byte
}

// value steps over one value.
func (s *scanner) value() error {
	switch s.peek() {
	case '{':
		return s.nested(s.object)
	case '[':
		return s.nested(s.list)
	case '"':
		s.text()
	default:
		return s.word()
	}
	return nil
}

// word steps over a number, true, false or null. A number that no variable can hold is
// refused here, because encoding/json would repeat it and name Go's type.
func (s *scanner) word() error {
	word := s.rest
	for len(s.rest) > 0 && !isDelimiter(s.rest[0]) {
		s.rest = s.rest[1:]
	}
	word = word[:len(word)-len(s.rest)]
	if _, err := strconv.ParseFloat(string(word), 64); errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("has a number that is too large at byte %d", len(s.whole)-len(s.rest)-len(word)+1)
	}
	return nil
}

// nested steps over an object or a list.
func (s *scanner) nested(step func() error) error {
	if s.depth++; s.depth > maxDepth {
		return s.tooDeep()
	}
	err := step()
	s.depth--
	return err
}

func (s *scanner) tooDeep() error {
	return fmt.Errorf("nests objects and lists more than %d deep at byte %d", maxDepth, len(s.whole)-len(s.rest)+1)
}

func (s *scanner) list() error {
	s.rest = s.rest[1:]
	for s.peek() != ']' {
		if err := s.value(); err != nil {
			return err
		}
		if s.peek() == ',' {
			s.rest = s.rest[1:]
		}
	}
	s.rest = s.rest[1:]
	return nil
}

func (s *scanner) object() error {
	s.rest = s.rest[1:]
	seen := map[string]bool{}
	for s.peek() != '}' {
		var name string
		if err := json.Unmarshal(s.text(), &name); err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("has the name %q twice in one object", name)
		}
		seen[name] = true
		s.peek()
		s.rest = s.rest[1:] // the colon
		if err := s.member(name); err != nil {
			return err
		}
		if s.peek() == ',' {
			s.rest = s.rest[1:]
		}
	}
	s.rest = s.rest[1:]
	return nil
}

// member steps over a member's value and leaves an opaque one out of the
// envelope. A string is never left out, so that metadata may have a key `data`.
func (s *scanner) member(name string) error {
	if name != opaque || s.peek() == '"' {
		return s.value()
	}
	s.envelope = append(s.envelope, s.copied[:len(s.copied)-len(s.rest)]...)
	s.envelope = append(s.envelope, '0')
	if err := s.skip(); err != nil {
		return fmt.Errorf("%s %w", name, err)
	}
	s.copied = s.rest
	return nil
}

// skip steps over one value by its brackets.
func (s *scanner) skip() error {
	for depth := s.depth; ; {
		switch s.peek() {
		case '{', '[':
			if depth++; depth > maxDepth {
				return s.tooDeep()
			}
			s.rest = s.rest[1:]
		case '}', ']':
			depth--
			s.rest = s.rest[1:]
		case '"':
			s.text()
		case ',', ':':
			s.rest = s.rest[1:]
			continue
		default:
			for len(s.rest) > 0 && !isDelimiter(s.rest[0]) {
				s.rest = s.rest[1:]
			}
		}
		if depth == s.depth {
			return nil
		}
	}
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

// OrNull returns nil for "", so that JSON shows null.
func OrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
