package id_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"portico/shared/id"
)

// vectors are the suffixes in the TypeID specification's spec/valid.yml.
var vectors = []struct{ name, uuid, suffix string }{
	{"the nil UUID", "00000000-0000-0000-0000-000000000000", "00000000000000000000000000"},
	{"one", "00000000-0000-0000-0000-000000000001", "00000000000000000000000001"},
	{"ten", "00000000-0000-0000-0000-00000000000a", "0000000000000000000000000a"},
	{"sixteen", "00000000-0000-0000-0000-000000000010", "0000000000000000000000000g"},
	{"thirty-two", "00000000-0000-0000-0000-000000000020", "00000000000000000000000010"},
	{"the largest", "ffffffff-ffff-ffff-ffff-ffffffffffff", "7zzzzzzzzzzzzzzzzzzzzzzzzz"},
	{"the whole alphabet", "0110c853-1d09-52d8-d73e-1194e95b5f19", "0123456789abcdefghjkmnpqrs"},
	{"a UUIDv7", "01890a5d-ac96-774b-bcce-b302099a8057", "01h455vb4pex5vsknk084sn02q"},
}

// Ids are written and read in the text form of the TypeID specification.
func TestSpecificationVectors(t *testing.T) {
	for _, v := range vectors {
		want := "evt_" + v.suffix
		if got := (id.Event{UUID: uuid.MustParse(v.uuid)}).String(); got != want {
			t.Errorf("%s: written as %s, want %s", v.name, got, want)
		}
		if got, err := id.Parse[id.Event](want); (err == nil) == (got.IsZero()) || got.UUID.String() != v.uuid {
			t.Errorf("%s: read as %v, %v, want %s", v.name, got.UUID, err, v.uuid)
		}
	}
}

// Each noun has its own prefix, so an id of one noun is not accepted for another.
func TestPrefixes(t *testing.T) {
	const suffix = "01h455vb4pex5vsknk084sn02q"
	u := uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")
	for want, got := range map[string]string{
		"org": id.Org{UUID: u}.String(), "key": id.APIKey{UUID: u}.String(),
		"we": id.WebhookEndpoint{UUID: u}.String(), "whs": id.WebhookSecret{UUID: u}.String(),
		"evt": id.Event{UUID: u}.String(), "dlv": id.Delivery{UUID: u}.String(),
	} {
		if got != want+"_"+suffix {
			t.Errorf("got %s, want prefix %s", got, want)
		}
	}
	if _, err := id.Parse[id.Org]("evt_" + suffix); err == nil {
		t.Error("an event's id was read as an organization's")
	}
}

// Only the exact form is accepted, so an id has one spelling.
func TestMalformedIsRefused(t *testing.T) {
	const good = "01h455vb4pex5vsknk084sn02q"
	for name, text := range map[string]string{
		"nothing":             "",
		"no prefix":           good,
		"empty prefix":        "_" + good,
		"prefix only":         "evt_",
		"other prefix":        "org_" + good,
		"prefix in capitals":  "EVT_" + good,
		"two underscores":     "evt__" + good,
		"no underscore":       "evt" + good,
		"dash for underscore": "evt-" + good,
		"too short":           "evt_" + good[1:],
		"too long":            "evt_" + good + "0",
		"over 128 bits":       "evt_8zzzzzzzzzzzzzzzzzzzzzzzzz",
		"just over 128 bits":  "evt_80000000000000000000000000",
		"capitals":            "evt_" + strings.ToUpper(good),
		"one capital":         "evt_01H455vb4pex5vsknk084sn02q",
		"the letter i":        "evt_01h455vb4pex5vsknk084sn02i",
		"the letter l":        "evt_01h455vb4pex5vsknk084sn02l",
		"the letter o":        "evt_01h455vb4pex5vsknk084sn02o",
		"the letter u":        "evt_01h455vb4pex5vsknk084sn02u",
		"hyphens":             "evt_01h455vb4p-x5vsknk084sn02q",
		"a space before":      " evt_" + good,
		"a space after":       "evt_" + good + " ",
		"a space inside":      "evt_01h455vb4p x5vsknk084sn02q",
		"a line break":        "evt_" + good[1:] + "\n",
		"a zero byte":         "evt_" + good[1:] + "\x00",
		"multi-byte":          "evt_" + good[2:] + "é",
		"zeros":               "evt_00000000000000000000000000",
		"a plain UUID":        "01890a5d-ac96-774b-bcce-b302099a8057",
		"prefix and UUID":     "evt_01890a5d-ac96-774b-bcce-b302099a8057",
	} {
		if got, err := id.Parse[id.Event](text); err == nil {
			t.Errorf("%s: %q was read as %s", name, text, got.UUID)
		} else if !strings.Contains(err.Error(), "expected evt_") {
			t.Errorf("%s: the error does not say what is expected: %v", name, err)
		}
	}
}

// Every UUID is read back the same from its text form, alone and in JSON. The
// texts sort as the UUIDs do.
func TestRoundTrip(t *testing.T) {
	anyUUID := rapid.Custom(func(t *rapid.T) (u uuid.UUID) {
		copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
		return u
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := id.Delivery{UUID: anyUUID.Draw(t, "a")}, id.Delivery{UUID: anyUUID.Draw(t, "b")}
		if back, err := id.Parse[id.Delivery](a.String()); err != nil || back != a {
			t.Fatalf("%s read as %s, %v", a, back, err)
		}
		text, _ := json.Marshal(a)
		var back id.Delivery
		if err := json.Unmarshal(text, &back); err != nil || back != a {
			t.Fatalf("%s read as %s, %v", text, back, err)
		}
		if strings.Compare(a.String(), b.String()) != bytes.Compare(a.UUID[:], b.UUID[:]) {
			t.Fatalf("%s and %s sort differently as text", a, b)
		}
	})
}

// moments returns random times from 2020 to 2090 in whole microseconds, as package clock returns them.
var moments = rapid.Custom(func(t *rapid.T) time.Time {
	return time.UnixMicro(rapid.Int64Range(1_577_836_800_000_000, 3_786_912_000_000_000).Draw(t, "µs")).UTC()
})

// An id is a UUIDv7 with its millisecond. The id of a later microsecond is
// larger, with any random bits.
func TestNewSortsByMicrosecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := moments.Draw(t, "at")
		early, late := id.New[id.Event](at), id.New[id.Event](at.Add(time.Microsecond))
		if early.Version() != 7 || early.Variant() != uuid.RFC4122 {
			t.Fatalf("%s has version %d, variant %s", early.UUID, early.Version(), early.Variant())
		}
		if want := at.Truncate(time.Millisecond); !early.Time().Equal(want) {
			t.Fatalf("made at %s, says %s", want, early.Time())
		}
		if bytes.Compare(early.UUID[:], late.UUID[:]) >= 0 {
			t.Fatalf("%s is not before %s", early.UUID, late.UUID)
		}
	})
}

// Two ids of one moment differ, and IsZero reports the zero id.
func TestNewIsUnique(t *testing.T) {
	now, seen := time.Now(), map[id.Event]bool{}
	for range 10_000 {
		i := id.New[id.Event](now)
		if seen[i] || i.IsZero() {
			t.Fatalf("%s was made twice or is zero", i)
		}
		seen[i] = true
	}
	if !(id.Event{}).IsZero() {
		t.Error("the zero id says it is not")
	}
}

// Bounds include every id of the millisecond, and no id of the ones before and after.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := moments.Draw(t, "at").Truncate(time.Millisecond)
		lo, hi := id.New[id.Event](at).Bounds()
		within := func(i id.Event) bool {
			return bytes.Compare(lo[:], i.UUID[:]) <= 0 && bytes.Compare(i.UUID[:], hi[:]) <= 0
		}
		for _, d := range []time.Duration{0, time.Microsecond, 999 * time.Microsecond} {
			if i := id.New[id.Event](at.Add(d)); !within(i) {
				t.Fatalf("%s, %s later, is outside %s to %s", i.UUID, d, lo, hi)
			}
		}
		for _, d := range []time.Duration{-time.Microsecond, time.Millisecond} {
			if i := id.New[id.Event](at.Add(d)); within(i) {
				t.Fatalf("%s, %s later, is inside %s to %s", i.UUID, d, lo, hi)
			}
		}
	})
}
