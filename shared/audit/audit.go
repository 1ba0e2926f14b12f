// Package audit records who changed what. An entry is written in the transaction
// of the change, so neither exists without the other. Entries are never changed.
package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"portico/shared/auth"
	"portico/shared/id"
)

// Entry is the record of one change.
type Entry struct {
	ID        id.AuditEntry
	Action    string   // its name in the registry
	Category  Category // filled by reads
	Actor     Actor
	For       Actor // on whose behalf: the member for whom an app acted; zero: on its own
	Targets   []Target
	Before    Fields // nil: there was nothing
	After     Fields // nil: there is nothing now
	Origin    Origin
	Outcome   string // "": Success
	CreatedAt time.Time
}

// The outcomes.
const (
	Success = "success"
	Failure = "failure" // the attempt was refused
)

// Actor is who made a change.
type Actor = auth.Actor

// Types of actors; package auth has all.
const (
	APIKey   = auth.APIKey
	StaffKey = auth.StaffKey
	System   = auth.System
)

// RefusedFields are what After may show of a refused attempt, whatever its action: the
// operation, and the code of the reply.
var RefusedFields = []string{"operation", "code"}

// Target is a thing that was changed.
type Target struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	As   string `json:"as,omitempty"` // OnBehalfOf: it is no target; "": it is one
}

// OnBehalfOf marks among the stored targets whom the actor acted for. So the hash of the
// entry covers it, and one index finds entries by either.
const OnBehalfOf = "on_behalf_of"

// stored returns the targets of an entry and whom the actor acted for, never nil.
func (e Entry) stored() []Target {
	list := append([]Target{}, e.Targets...)
	if e.For.ID != "" {
		list = append(list, Target{e.For.Type, e.For.ID, OnBehalfOf})
	}
	return list
}

// Apart returns the targets among those that are stored, and whom the actor acted for; nil:
// for nobody else.
func Apart(stored []Target) (targets []Target, behalf *Target) {
	targets = []Target{}
	for _, t := range stored {
		if t.As == OnBehalfOf {
			behalf = &Target{Type: t.Type, ID: t.ID}
		} else {
			targets = append(targets, t)
		}
	}
	return targets, behalf
}

// Of names a target by its noun and id.
func Of(noun string, id fmt.Stringer) Target { return Target{Type: noun, ID: id.String()} }

// Named names a target by a text that a caller has chosen.
func Named(noun, text string) Target { return Target{Type: noun, ID: storable(text)} }

// Fields are the fields of a thing that an entry may show. The code that makes
// them lists each by name; all others are never recorded.
type Fields map[string]any

// Changed replaces the value of a secret: it shows only that the secret was set.
const Changed = "[changed]"

// Diff leaves out of both what is the same in both.
func Diff(before, after Fields) (Fields, Fields) {
	was, is := Fields{}, Fields{}
	for name, value := range before {
		if other, ok := after[name]; !ok || !same(value, other) {
			was[name] = value
		}
	}
	for name, value := range after {
		if other, ok := before[name]; !ok || !same(value, other) {
			is[name] = value
		}
	}
	return was, is
}

func same(a, b any) bool { return bytes.Equal(encode(a), encode(b)) }

// encode writes JSON with its names sorted.
func encode(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic("audit: " + err.Error()) // texts, numbers, times and lists of them always marshal
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Origin is where a request came from.
type Origin struct {
	RequestID string
	SourceIP  netip.Addr // the zero one: unknown
	UserAgent string
	// App is who acts in the name of the person whose deed it is; zero: they themselves.
	App Actor
}

// Actor returns who has done what a person is responsible for, and on whose behalf: the
// person themselves, or an app for them.
func (o Origin) Actor(person Actor) (actor, on Actor) {
	if o.App.ID == "" {
		return person, Actor{}
	}
	return o.App, person
}

// Columns returns the address and the user agent as tables store them.
func (o Origin) Columns() (ip *netip.Addr, userAgent string) {
	return address(o.SourceIP), storable(o.UserAgent)
}

// maxUserAgent bounds a text that anybody may choose.
const maxUserAgent = 500

// storable removes what Postgres cannot store from a text and cuts it to the
// length that an entry may have. All other characters stay, because an entry is
// data and not a log line.
func storable(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) <= maxUserAgent {
		return text
	}
	cut := maxUserAgent
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}
