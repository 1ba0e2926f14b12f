package record

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/jsontext"
)

// Line is a line of an export: an entry with its place in the chain, and all that is
// needed to compute its hash. docs/audit.md describes it.
type Line struct {
	Org      id.Org
	Number   int64
	Category string // the hash does not cover it
	Entry    Entry
	Before   Hash // the hash before
	Hash     Hash
	Personal Hash // that was chained
	// Outside: only the place and the digest are shown, because the entry is not in the
	// range of time of the export, but was chained among its entries.
	Outside bool
}

// actorJSON, lineJSON and outsideJSON are lines in the order of their members.
type actorJSON struct {
	Type string  `json:"type"`
	ID   string  `json:"id"`
	Name *string `json:"name"`
}

type lineJSON struct {
	Organization id.Org           `json:"organization"`
	Number       int64            `json:"number"`
	ID           id.AuditEntry    `json:"id"`
	CreatedAt    clock.Stamp      `json:"created_at"`
	Action       string           `json:"action"`
	Category     string           `json:"category"`
	Outcome      string           `json:"outcome"`
	Actor        actorJSON        `json:"actor"`
	Targets      json.RawMessage  `json:"targets"`
	Before       *json.RawMessage `json:"before"`
	After        *json.RawMessage `json:"after"`
	RequestID    string           `json:"request_id"`
	SourceIP     *netip.Addr      `json:"source_ip"`
	UserAgent    string           `json:"user_agent"`
	Salt         *hexText         `json:"salt"`
	PersonalHash Hash             `json:"personal_hash"`
	HashBefore   Hash             `json:"hash_before"`
	Hash         Hash             `json:"hash"`
	Stored       *storedJSON      `json:"stored,omitempty"`
}

// storedJSON has the texts that are not in the line as they are stored.
type storedJSON struct {
	Targets *string `json:"targets,omitempty"`
	Before  *string `json:"before,omitempty"`
	After   *string `json:"after,omitempty"`
}

type outsideJSON struct {
	Organization id.Org `json:"organization"`
	Number       int64  `json:"number"`
	Digest       Hash   `json:"digest"`
	HashBefore   Hash   `json:"hash_before"`
	Hash         Hash   `json:"hash"`
}

// hexText is bytes in hexadecimal digits.
type hexText []byte

func (h hexText) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

func (h *hexText) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(hexText{}, text)
	return err
}

// MarshalText writes the hash in hexadecimal digits.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads hexadecimal digits.
func (h *Hash) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(h) {
		return fmt.Errorf("a hash has %d hexadecimal digits", hex.EncodedLen(len(h)))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Encode returns the line, with its end. It is always one line, whatever the texts
// contain: characters that control a terminal, end a line or turn the direction of
// writing are escaped as \u….
func (l *Line) Encode() []byte {
	if l.Outside {
		return encode(outsideJSON{l.Org, l.Number, l.Entry.Digest(l.Personal), l.Before, l.Hash})
	}
	e := &l.Entry
	out := lineJSON{
		Organization: l.Org, Number: l.Number, ID: e.ID, CreatedAt: clock.Stamp(e.CreatedAt), Action: e.Action, Category: l.Category, Outcome: e.Outcome,
		Actor: actorJSON{e.ActorType, e.ActorID, e.Name}, RequestID: e.RequestID, SourceIP: e.SourceIP, UserAgent: e.UserAgent,
		Salt: (*hexText)(orNil(e.Salt)), PersonalHash: l.Personal, HashBefore: l.Before, Hash: l.Hash,
	}
	var kept storedJSON
	targets := embed(e.Targets, &kept.Targets)
	if targets != nil {
		out.Targets = *targets
	}
	out.Before, out.After = embed(e.Before, &kept.Before), embed(e.After, &kept.After)
	if kept != (storedJSON{}) {
		out.Stored = &kept
	}
	return encode(out)
}

func orNil(b []byte) *[]byte {
	if b == nil {
		return nil
	}
	return &b
}

// embed returns stored JSON as it stands in a line. If that is not the same text, it
// sets kept to the stored one, because the hash is of its bytes.
func embed(stored []byte, kept **string) *json.RawMessage {
	if stored == nil {
		return nil
	}
	var compact bytes.Buffer
	if json.Compact(&compact, stored) != nil {
		compact.Reset()
		compact.WriteString("null") // the column is json, so this is a forgery
	}
	shown := jsontext.Escape(compact.Bytes())
	if !bytes.Equal(shown, stored) {
		text := string(stored)
		*kept = &text
	}
	return (*json.RawMessage)(&shown)
}

func encode(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic("record: " + err.Error()) // texts, numbers and valid JSON always marshal
	}
	return append(jsontext.Escape(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), '\n')
}

// place returns the line's place in the chain.
func (l *Line) place() Place {
	return PlaceOf(&l.Entry, l.Number, l.Personal, l.Hash)
}

// decode reads a line. Only a line that Encode has written, byte for byte, is one.
func decode(text []byte) (l Line, p Place, err error) {
	var outside outsideJSON
	if strict(text, &outside) == nil {
		if !bytes.Equal(encode(outside), append(text, '\n')) {
			return l, p, errLine
		}
		l = Line{Org: outside.Organization, Number: outside.Number, Before: outside.HashBefore, Hash: outside.Hash, Outside: true}
		return l, Place{Number: l.Number, Hash: l.Hash, Digest: outside.Digest, Found: true, Personal: true}, nil
	}
	var in lineJSON
	if err := strict(text, &in); err != nil {
		return l, p, errLine
	}
	l = Line{
		Org: in.Organization, Number: in.Number, Category: in.Category, Before: in.HashBefore, Hash: in.Hash, Personal: in.PersonalHash,
		Entry: Entry{
			ID: in.ID, Found: true, Action: in.Action, Outcome: in.Outcome, ActorType: in.Actor.Type, ActorID: in.Actor.ID, RequestID: in.RequestID,
			CreatedAt: time.Time(in.CreatedAt), Name: in.Actor.Name, SourceIP: in.SourceIP, UserAgent: in.UserAgent,
			Targets: in.Targets,
		},
	}
	if in.Salt != nil {
		l.Entry.Salt = *in.Salt
	}
	stored := storedJSON{}
	if in.Stored != nil {
		stored = *in.Stored
	}
	l.Entry.Targets = original(&in.Targets, stored.Targets)
	l.Entry.Before, l.Entry.After = original(in.Before, stored.Before), original(in.After, stored.After)
	if !bytes.Equal(l.Encode(), append(text, '\n')) {
		return l, p, errLine
	}
	return l, l.place(), nil
}

// original returns JSON as it is stored.
func original(shown *json.RawMessage, stored *string) []byte {
	switch {
	case stored != nil:
		return []byte(*stored)
	case shown != nil:
		return *shown
	}
	return nil
}

func strict(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
