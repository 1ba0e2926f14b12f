package record

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"portico/shared/id"
	"portico/shared/jsontext"
)

var (
	own   = id.Org{UUID: uuid.MustParse("0193a000-0000-7000-8000-0000000000ff")}
	other = id.Org{UUID: uuid.MustParse("0193a000-0000-7000-8000-0000000000fe")}
)

// hostile has what could break a line, forge one, or control who reads it.
const hostile = "Eve\r\n{\"number\":1}\x1b[31m\u202eevil\u2066\u2028\u200b\u009b\U000e0041<script>=1+1"

// chained returns the lines of a chain of entries.
func chained(entries int) (lines []Line) {
	var before Hash
	for n := range entries {
		address := netip.MustParseAddr("203.0.113.7")
		e := Entry{
			ID: id.New[id.AuditEntry](time.UnixMicro(int64(1_700_000_000_000_000 + n))), Found: true, Action: "role.update", Outcome: "success", ActorType: "system", ActorID: "x",
			Targets: []byte(`[{"type":"role","id":"r"}]`), Before: fmt.Appendf(nil, `{"n": %d }`, n), After: []byte("{\"name\":\"\u202e<b>\\u2028\"}"), RequestID: hostile,
			CreatedAt: time.UnixMicro(int64(1_700_000_000_000_000 + n)), Name: new(hostile), SourceIP: &address, UserAgent: hostile, Salt: bytes.Repeat([]byte{byte(n)}, 16),
		}
		switch n % 4 {
		case 1:
			e.Before, e.After = nil, []byte(`{}`)
		case 2:
			e.Name, e.SourceIP = nil, nil
		}
		l := Line{Org: own, Number: int64(n + 1), Category: "security", Entry: e, Before: before, Personal: e.Personal()}
		if n%4 == 3 { // erased after it was chained
			l.Entry.Name, l.Entry.SourceIP, l.Entry.UserAgent, l.Entry.Salt = nil, nil, "", nil
		}
		l.Hash = Link(own, l.Number, before, l.Entry.Digest(l.Personal))
		before = l.Hash
		lines = append(lines, l)
	}
	return lines
}

func file(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.Write(l.Encode())
	}
	return b.String()
}

// A line is one line of visible characters, and gives back the bytes that were hashed.
func TestLine(t *testing.T) {
	t.Parallel()
	for _, l := range chained(4) {
		text := string(l.Encode())
		if strings.Count(text, "\n") != 1 || strings.ContainsFunc(strings.TrimSuffix(text, "\n"), jsontext.IsHidden) {
			t.Errorf("%q is not one line of visible characters", text)
		}
		got, p, err := decode(bytes.TrimSuffix(l.Encode(), []byte("\n")))
		if err != nil || p != l.place() || !bytes.Equal(got.Entry.Before, l.Entry.Before) || !bytes.Equal(got.Entry.After, l.Entry.After) {
			t.Errorf("%q became %+v, %v", text, got, err)
		}
	}
}

// A whole export verifies, of any length, from its beginning or from later on, against
// any head that was kept.
func TestVerifies(t *testing.T) {
	t.Parallel()
	lines := chained(2500)
	head := func(n int) *Head { return &Head{int64(n), lines[n-1].Hash} }
	withOutside := slices.Clone(lines)
	for i := range 10 {
		withOutside[i].Outside = true
	}
	gaps := slices.Concat(lines[3:5], lines[9:10], lines[1200:2400])
	for _, tt := range []struct {
		name          string
		lines         []Line
		o             Options
		first, last   int64
		verified, out int64
	}{
		{"all", lines, Options{From: 1}, 1, 2500, 2500, 0},
		{"none", nil, Options{From: 1}, 0, 0, 0, 0},
		{"none, of an empty chain", nil, Options{From: 1, Head: &Head{}}, 0, 0, 0, 0},
		{"with the head", lines, Options{From: 1, Head: head(2500)}, 1, 2500, 2500, 0},
		{"with an older head", lines, Options{From: 1, Head: head(1000)}, 1, 2500, 2500, 0},
		{"from later on", lines[1234:], Options{From: 1235, Head: head(1234)}, 1235, 2500, 1266, 0},
		{"with digests", withOutside, Options{From: 1}, 1, 2500, 2500, 10},
		{"filtered", gaps, Options{From: 1, Filtered: true, Head: head(1201)}, 4, 2400, 1203, 0},
	} {
		r, err := Verify(strings.NewReader(file(tt.lines)), tt.o)
		if err != nil || r.Fault != nil || r.First != tt.first || r.Last != tt.last || r.Verified != tt.verified || r.Outside != tt.out {
			t.Errorf("%s: %+v, %+v, %v", tt.name, r, r.Fault, err)
		}
	}
}

// Each forgery of a file is found, with its kind and number.
func TestForgeries(t *testing.T) {
	t.Parallel()
	text := func(old, is string) func([]string) []string {
		return func(l []string) []string {
			changed := strings.Replace(l[4], old, is, 1)
			if changed == l[4] {
				panic("nothing was changed: " + old)
			}
			l[4] = changed
			return l
		}
	}
	lines := chained(12)
	strange := lines[4]
	strange.Number, strange.Before = 6, lines[4].Hash
	strange.Hash = Link(own, 6, strange.Before, strange.Entry.Digest(strange.Personal))
	foreign := lines[4]
	foreign.Org = other
	renumbered := slices.Clone(lines)
	for i := 5; i < 12; i++ {
		renumbered[i].Number--
	}
	kept := &Head{12, lines[11].Hash}
	for _, tt := range []struct {
		name   string
		forge  func(l []string) []string
		o      Options
		kind   Kind
		number int64
	}{
		{"action", text(`role.update`, `role.delete`), Options{}, Edited, 5},
		{"actor", text(`"id":"x"`, `"id":"y"`), Options{}, Edited, 5},
		{"name", text(`Eve`, `Ada`), Options{}, Edited, 5},
		{"address", text(`203.0.113.7`, `203.0.113.8`), Options{}, Edited, 5},
		{"time", text(`.000004Z`, `.000005Z`), Options{}, Edited, 5},
		{"before, as it is shown", text(`"before":{"n":4}`, `"before":{"n":5}`), Options{}, Edited, 5},
		{"before, as it is stored", text(`{\"n\": 4 }`, `{\"n\": 5 }`), Options{}, Edited, 5},
		{"after", text(`<b>`, `<i>`), Options{}, Edited, 5},
		{"outcome", text(`success`, `failure`), Options{}, Edited, 5},
		{"salt", text(`"salt":"04`, `"salt":"05`), Options{}, Edited, 5},
		{"personal hash", text(`"personal_hash":"`+fmt.Sprintf("%x", lines[4].Personal[:2]), `"personal_hash":"0000`), Options{}, Edited, 5},
		{"hash before", text(fmt.Sprintf("%x", lines[3].Hash), strings.Repeat("ab", 32)), Options{}, Edited, 5},
		{"hash", text(fmt.Sprintf("%x", lines[4].Hash), strings.Repeat("ab", 32)), Options{}, Edited, 5},
		{"a second member", text(`"outcome"`, `"outcome":"failure","outcome"`), Options{}, Edited, 5},
		{"white space", text(`,"outcome"`, `, "outcome"`), Options{}, Edited, 5},
		{"no JSON", text(`{`, ``), Options{}, Edited, 5},
		{"another organization", func(l []string) []string { l[4] = string(foreign.Encode()); return l }, Options{}, Edited, 5},
		{"deleted", func(l []string) []string { return slices.Delete(l, 4, 5) }, Options{}, Deleted, 5},
		{"the first ones deleted", func(l []string) []string { return l[2:] }, Options{}, Deleted, 1},
		{"deleted and closed up", func([]string) []string {
			return strings.SplitAfter(file(slices.Delete(slices.Clone(renumbered), 4, 5)), "\n")
		}, Options{}, Deleted, 5},
		{"the end cut off", func(l []string) []string { return l[:10] }, Options{Head: kept}, Deleted, 11},
		{"all cut off", func([]string) []string { return nil }, Options{Head: kept}, Deleted, 1},
		{"a line twice", func(l []string) []string { return slices.Insert(l, 5, l[4]) }, Options{}, Inserted, 5},
		{"a made line inserted", func(l []string) []string { return slices.Insert(l, 5, string(strange.Encode())) }, Options{}, Inserted, 6},
		{"lines swapped", func(l []string) []string { l[4], l[5] = l[5], l[4]; return l }, Options{}, Reordered, 5},
		{"a line moved to the end", func(l []string) []string { return append(slices.Delete(slices.Clone(l), 4, 5), l[4]) }, Options{}, Reordered, 5},
		{"filtered: edited", text(`role.update`, `role.delete`), Options{Filtered: true}, Edited, 5},
		{"filtered: swapped", func(l []string) []string { l[4], l[5] = l[5], l[4]; return l }, Options{Filtered: true}, Reordered, 5},
		{"made anew", func(l []string) []string { return l }, Options{Head: &Head{12, Hash{1}}}, BadHead, 12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.o.From = 1
			forged := strings.Join(tt.forge(slices.Clone(strings.SplitAfter(file(lines), "\n"))), "")
			r, err := Verify(strings.NewReader(forged), tt.o)
			if err != nil || r.Fault == nil || r.Fault.Kind != tt.kind || r.Fault.Number != tt.number {
				t.Errorf("%+v, %v, want %s at %d", r.Fault, err, tt.kind, tt.number)
			}
		})
	}
}

// What cannot be read or compared is an error, and not a file without faults.
func TestCannotVerify(t *testing.T) {
	t.Parallel()
	lines := chained(12)
	for name, o := range map[string]Options{
		"the head is before the file": {From: 9, Head: &Head{3, Hash{}}},
		"the head is filtered away":   {From: 1, Filtered: true, Head: &Head{3, Hash{}}},
	} {
		if r, err := Verify(strings.NewReader(file(lines[8:])), o); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	broken := errors.New("broken")
	if _, err := Verify(&failing{broken}, Options{From: 1}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }
