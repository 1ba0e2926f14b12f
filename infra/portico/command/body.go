package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// body makes the body of a request from flags. --body has a whole body, for what has
// no flag of its own; a flag replaces the same member of it.
type body struct {
	cmd     *cobra.Command
	members []bodyMember
	whole   *string
}

type bodyMember struct {
	flag, name string
	value      func() (any, error)
}

func newBody(cmd *cobra.Command) *body {
	b := &body{cmd: cmd}
	b.whole = cmd.Flags().String("body", "", "the request as JSON, with members that have no flag: JSON, @file, or - for the standard input")
	return b
}

func (b *body) add(flag, name string, value func() (any, error)) {
	b.members = append(b.members, bodyMember{flag, name, value})
}

// text adds a flag for a text; values are what it can be, if not anything.
func (b *body) text(flag, name, usage string, values ...string) {
	p := b.cmd.Flags().String(flag, "", usage)
	suggest(b.cmd, flag, values...)
	b.add(flag, name, func() (any, error) { return *p, nil })
}

// moment adds a flag for a time.
func (b *body) moment(flag, name, usage string) {
	p := b.cmd.Flags().String(flag, "", usage)
	b.add(flag, name, func() (any, error) { return moment(b.cmd, flag, *p) })
}

func (b *body) texts(flag, name, usage string) {
	p := b.cmd.Flags().StringSlice(flag, nil, usage)
	b.add(flag, name, func() (any, error) { return *p, nil })
}

func (b *body) number(flag, name, usage string) {
	p := b.cmd.Flags().Int(flag, 0, usage)
	b.add(flag, name, func() (any, error) { return *p, nil })
}

func (b *body) numbers(flag, name, usage string) {
	p := b.cmd.Flags().IntSlice(flag, nil, usage)
	b.add(flag, name, func() (any, error) { return *p, nil })
}

func (b *body) boolean(flag, name, usage string) {
	p := b.cmd.Flags().Bool(flag, false, usage)
	b.add(flag, name, func() (any, error) { return *p, nil })
}

// overlap adds the flag of a rotation.
func (b *body) overlap() {
	b.number("overlap-seconds", "overlap_seconds", "how long the old secret signs too, at most 604800; 0 if it has leaked (default 86400)")
}

// pairs adds a flag for an object of texts: NAME=VALUE, repeated.
func (b *body) pairs(flag, name, usage string) {
	p := b.cmd.Flags().StringArray(flag, nil, usage)
	b.add(flag, name, func() (any, error) {
		object := map[string]string{}
		for _, pair := range *p {
			k, v, found := strings.Cut(pair, "=")
			if !found {
				return nil, misuse(b.cmd, "--%s %q: write NAME=VALUE", flag, pair)
			}
			object[k] = v
		}
		return object, nil
	})
}

// json adds a flag for any JSON value, whose bytes are sent as they are.
func (b *body) json(a *app, flag, name, usage string) {
	p := b.cmd.Flags().String(flag, "", usage)
	b.add(flag, name, func() (any, error) {
		value, err := a.input(*p)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		value = bytes.TrimSpace(value)
		if err := parses(value); err != nil {
			return nil, misuse(b.cmd, "--%s is not JSON: %v", flag, err)
		}
		return json.RawMessage(value), nil
	})
}

// parses says where a text is not one JSON value.
func parses(text []byte) error {
	var value json.RawMessage
	return json.Unmarshal(text, &value)
}

// given reports whether any flag of the body was given.
func (b *body) given() bool {
	return *b.whole != "" || slices.ContainsFunc(b.members, func(m bodyMember) bool { return b.cmd.Flags().Changed(m.flag) })
}

// encode returns the body: --body, with the members of the flags that were given.
func (b *body) encode(a *app) ([]byte, error) {
	all, err := b.start(a)
	if err != nil {
		return nil, err
	}
	for _, m := range b.members {
		if !b.cmd.Flags().Changed(m.flag) {
			continue
		}
		value, err := m.value()
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(o member) bool { return o.Name == m.name })
		all = append(all, member{m.name, encoded(value)})
	}
	return object(all), nil
}

// with returns the body with one more member.
func (b *body) with(a *app, m member) ([]byte, error) {
	text, err := b.encode(a)
	if err != nil {
		return nil, err
	}
	all, err := membersOf(text)
	return object(append(all, m)), err
}

// start returns the members of --body.
func (b *body) start(a *app) ([]member, error) {
	if *b.whole == "" {
		return nil, nil
	}
	text, err := a.input(*b.whole)
	if err != nil {
		return nil, fmt.Errorf("--body: %w", err)
	}
	if err := parses(text); err != nil {
		return nil, misuse(b.cmd, "--body is not JSON: %v", err)
	}
	all, err := membersOf(text)
	if err != nil {
		return nil, misuse(b.cmd, "--body is not a JSON object")
	}
	return all, nil
}

// encoded returns a value as JSON; a json.RawMessage keeps its bytes.
func encoded(value any) json.RawMessage {
	if raw, ok := value.(json.RawMessage); ok {
		return raw
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // texts, numbers and lists of them can always be encoded
	return bytes.TrimSpace(text.Bytes())
}

// object returns an object with its members' bytes as they are.
func object(all []member) []byte {
	var text bytes.Buffer
	text.WriteByte('{')
	for i, m := range all {
		if i > 0 {
			text.WriteByte(',')
		}
		text.Write(encoded(m.Name))
		text.WriteByte(':')
		text.Write(m.Value)
	}
	text.WriteByte('}')
	return text.Bytes()
}
