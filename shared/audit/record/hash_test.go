package record

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"portico/shared/id"
)

// hexOf returns the bytes of hexadecimal digits with white space between them.
func hexOf(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The format as docs/audit.md describes it. The hashes were computed without this
// program, by a program in Python that follows the table there. A change
// of the format needs another version, because chains that exist must stay valid.
func TestFormat(t *testing.T) {
	name, address := "Ada", netip.MustParseAddr("203.0.113.7")
	e := Entry{
		ID: id.AuditEntry{UUID: uuid.MustParse("0193a000-0000-7000-8000-000000000001")}, Action: "a.b", Outcome: "success", ActorType: "system", ActorID: "x",
		Targets: []byte(`[]`), After: []byte(`{"n":1}`), CreatedAt: time.UnixMicro(1_700_000_000_000_001), Name: &name, SourceIP: &address,
		Salt: hexOf(t, "000102030405060708090a0b0c0d0e0f"),
	}
	org := id.Org{UUID: uuid.MustParse("0193a000-0000-7000-8000-0000000000ff")}
	personal := e.Personal()
	for what, pair := range map[string][2]string{
		"personal_hash": {sumOf(personal), "33245ba4e4aab0605c59c8b48cc6373d1ed4ef933690e580f1d8feb3d58ba284"},
		"digest":        {sumOf(e.Digest(personal)), "4b093d0ffede029a483188ded6f12e5191ded1660ef0fa89be61d08e3760582a"},
		"hash":          {sumOf(Link(org, 1, Hash{}, e.Digest(personal))), "4ae90bb7d14046160cc5bb3857461c4f61b9fd47327d58f458e0e6354230bc84"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %s, want %s", what, pair[0], pair[1])
		}
	}
}

func sumOf(h Hash) string { return hex.EncodeToString(h[:]) }

// No two entries that differ in one field have the same digest, even if the bytes of
// their fields together are the same.
func TestFieldsAreSeparate(t *testing.T) {
	one := Entry{Action: "ab", Outcome: "c", Before: []byte(""), After: nil}
	two := Entry{Action: "a", Outcome: "bc", Before: []byte(""), After: nil}
	three := Entry{Action: "ab", Outcome: "c", Before: nil, After: []byte("")}
	if a, b, c := one.Digest(Hash{}), two.Digest(Hash{}), three.Digest(Hash{}); a == b || a == c || b == c {
		t.Error("different entries have the same digest")
	}
}
