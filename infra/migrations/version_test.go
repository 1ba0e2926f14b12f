package migrations

import (
	"testing"
	"testing/fstest"
)

// The version changes with every change of a migration, and with nothing else:
// the deployment applies the migrations exactly when they changed.
func TestVersionFollowsContent(t *testing.T) {
	set := func(namesAndTexts ...string) fstest.MapFS {
		m := fstest.MapFS{}
		for i := 0; i < len(namesAndTexts); i += 2 {
			m[namesAndTexts[i]] = &fstest.MapFile{Data: []byte(namesAndTexts[i+1])}
		}
		return m
	}
	base := versionOf(set("1.sql", "abc", "2.sql", ""))
	// SHA-256 of "1.sql 3\nabc2.sql 0\n", by Python's hashlib.
	if want := "150d56795e54976030a9489b1ee92cd886bed5963fb1210be76ce27c97e8ccf7"; base != want {
		t.Errorf("version %s, want %s", base, want)
	}
	for what, changed := range map[string]fstest.MapFS{
		"a changed text":            set("1.sql", "abd", "2.sql", ""),
		"a white space":             set("1.sql", "abc ", "2.sql", ""),
		"a text moved to the next":  set("1.sql", "", "2.sql", "abc"),
		"a renamed file":            set("1.sql", "abc", "3.sql", ""),
		"one file more":             set("1.sql", "abc", "2.sql", "", "3.sql", ""),
		"one file less":             set("1.sql", "abc"),
		"two files pasted together": set("1.sql", "abc2.sql 0\n"),
	} {
		if versionOf(changed) == base {
			t.Errorf("%s does not change the version", what)
		}
	}
	if versionOf(set("1.sql", "abc", "2.sql", "", "migrations.go", "package x")) != base {
		t.Error("a file that is no migration changes the version")
	}
	if len(Version()) != 64 {
		t.Errorf("the version %q is not a stable SHA-256", Version())
	}
}
