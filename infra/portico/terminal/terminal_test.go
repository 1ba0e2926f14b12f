package terminal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Colours are used on a terminal only, and not if the user does not want them.
func TestColours(t *testing.T) {
	// A device that is no disk file stands for a terminal.
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	env := func(pair string) func(string) string {
		return func(name string) string {
			value, _ := strings.CutPrefix(pair, name+"=")
			if value == pair {
				return ""
			}
			return value
		}
	}
	for _, c := range []struct {
		name string
		p    Printer
		want bool
	}{
		{"a terminal", New(device, env("")), true},
		{"NO_COLOR", New(device, env("NO_COLOR=1")), false},
		{"TERM=dumb", New(device, env("TERM=dumb")), false},
		{"a file", New(file, env("")), false},
		{"no file", New(&strings.Builder{}, env("")), false},
	} {
		if c.p.Coloured != c.want {
			t.Errorf("%s: coloured %v", c.name, c.p.Coloured)
		}
		if live := c.want || c.name == "NO_COLOR"; c.p.Live != live {
			t.Errorf("%s: live %v", c.name, c.p.Live)
		}
	}
}

// Progress overwrites its line on a terminal, and is nothing elsewhere.
func TestProgress(t *testing.T) {
	for live, want := range map[bool]string{true: "\r\x1b[K1 of 2\r\x1b[K2 of 2\r\x1b[K", false: ""} {
		var out strings.Builder
		p := Printer{W: &out, Live: live}
		for _, text := range []string{"1 of 2", "2 of 2", ""} {
			p.Progress(text)
		}
		if out.String() != want {
			t.Errorf("live %v: %q", live, out.String())
		}
	}
}

// What others have sent cannot control the terminal or break a line.
func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"paid":                "paid",
		"grün €":              "grün €",
		"\x1b[2J\x07gone\r":   "\uFFFD[2J\uFFFDgone\uFFFD",
		"two\nlines\tand tab": "two lines and tab",
		"\u202Etxt.exe":       "\uFFFDtxt.exe",
		"\u009b31m":           "\uFFFD31m",
		"\xff":                "\uFFFD",
	} {
		if got := Clean(text); got != want {
			t.Errorf("Clean(%q) = %q, want %q", text, got, want)
		}
	}
}

// Columns are as wide as their longest cell, with colours too.
func TestTable(t *testing.T) {
	heading, rows := []string{"ID", "STATUS", "URL"}, [][]string{{"1", "failed", "a"}, {"23", "enabled", "bb"}}
	for coloured, want := range map[bool]string{
		false: "ID  STATUS   URL\n1   failed   a\n23  enabled  bb\n",
		true: "\x1b[1mID\x1b[0m  \x1b[1mSTATUS\x1b[0m   \x1b[1mURL\x1b[0m\n" +
			"1   \x1b[31mfailed\x1b[0m   a\n23  \x1b[32menabled\x1b[0m  bb\n",
	} {
		var out strings.Builder
		Printer{W: &out, Coloured: coloured}.Table(heading, rows)
		if out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	}
}
