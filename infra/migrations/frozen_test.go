package migrations_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A database applies each migration once. If a migration changed afterwards, new
// databases would differ from older ones, so testdata/frozen has the SHA-256 of
// each migration, as sha256sum prints it.
func TestMigrationsOnlyGrow(t *testing.T) {
	list, err := os.ReadFile("testdata/frozen")
	if err != nil {
		t.Fatal(err)
	}
	frozen := map[string]string{}
	for line := range strings.Lines(string(list)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		frozen[name] = sum
	}
	names, err := filepath.Glob("*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no migrations (%v)", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(text))
		switch frozen[name] {
		case sum:
		case "":
			t.Errorf("%s is new: when it is final, add this line to infra/migrations/testdata/frozen:\n%s  %s", name, sum, name)
		default:
			t.Errorf("%s has changed, but databases that have applied it do not apply it again: undo the change, and make it in a new file", name)
		}
		delete(frozen, name)
	}
	for name := range frozen {
		t.Errorf("%s is gone, but databases have applied it: bring it back", name)
	}
}
