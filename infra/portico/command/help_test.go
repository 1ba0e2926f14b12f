package command

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"portico/infra/portico/terminal"
)

var write = flag.Bool("write", false, "write the golden file")

// commands returns all commands with their subcommands, except those of the library.
func commands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, child := range c.Commands() {
		if child.Name() != "help" && child.Name() != "completion" {
			all = append(all, commands(child)...)
		}
	}
	return all
}

func newRoot() *cobra.Command {
	a := &app{Console: Console{Getenv: func(string) string { return "" }}, out: terminal.Printer{}, err: terminal.Printer{}}
	return a.root()
}

// The help of all commands is as it was read by a person. After a change, read the
// difference: go test ./infra/portico/command -run TestHelp -write
func TestHelp(t *testing.T) {
	t.Parallel()
	const golden = "testdata/help.txt"
	var all strings.Builder
	for _, c := range commands(newRoot()) {
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		r := run(t, "", nil, args...)
		if r.code != 0 || r.err != "" {
			t.Errorf("%s: %+v", c.CommandPath(), r)
		}
		// The flags that all commands have are shown once.
		text, _, _ := strings.Cut(r.out, "\nGlobal Flags:")
		all.WriteString("$ " + c.CommandPath() + " --help\n" + text + "\n")
	}
	if *write {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != all.String() {
		t.Errorf("the help differs from %s (%v): read the difference, then run go test ./infra/portico/command -run TestHelp -write", golden, err)
	}
}

// Every command that does something has an example, which its flags and arguments
// accept.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, c := range commands(newRoot()) {
		if c.Example == "" && !c.HasSubCommands() {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			_, words, _ := strings.Cut(" "+strings.TrimSpace(line), " portico ")
			if err := accepts(split(words)); err != nil {
				t.Errorf("%s: %s: %v", c.CommandPath(), line, err)
			}
		}
	}
}

// accepts parses a command line without running it.
func accepts(args []string) error {
	c, rest, err := newRoot().Find(args)
	if err != nil {
		return err
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	return c.Args(c, c.Flags().Args())
}

// split splits a command line at spaces that are not in single quotes.
func split(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

// Shells can complete commands, and the values of flags that have only some.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  []string
		parts string // separated by |
	}{
		{[]string{"__complete", "endp"}, "endpoints"},
		{[]string{"__complete", "deliveries", ""}, "list|get|redeliver"},
		{[]string{"__complete", "deliveries", "list", "--status", ""}, "pending|delivered|failed|held"},
		{[]string{"__complete", "endpoints", "create", "--signature-scheme", ""}, "portico|standard|standard_asymmetric"},
		{[]string{"completion", "bash"}, "# bash completion"},
		{[]string{"completion", "zsh"}, "#compdef portico"},
	} {
		r := run(t, "", nil, c.args...)
		for part := range strings.SplitSeq(c.parts, "|") {
			if r.code != 0 || !strings.Contains(r.out, part) {
				t.Errorf("%q: exit code %d, no %q in %.300s", c.args, r.code, part, r.out)
			}
		}
	}
}

// The table of docs/cli.md has all commands, and no other.
func TestDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := inTable(string(text))
	for _, c := range commands(newRoot()) {
		if c.Runnable() && !c.HasSubCommands() && !documented[c.CommandPath()] {
			t.Errorf("docs/cli.md does not name %s in its table of commands", c.CommandPath())
		}
		delete(documented, c.CommandPath())
	}
	delete(documented, "portico completion") // the library's
	for name := range documented {
		t.Errorf("docs/cli.md names %s, which does not exist", name)
	}
}

// inTable returns the commands of the rows that begin with one, such as
// | `portico events list`, `get` |.
func inTable(text string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| `portico ") {
			continue
		}
		cell, _, _ := strings.Cut(line[2:], " |")
		var group string
		for name := range strings.SplitSeq(strings.ReplaceAll(cell, "`", ""), ", ") {
			if path, isWhole := strings.CutPrefix(name, "portico "); isWhole {
				group = name[:len(name)-len(path[strings.LastIndex(path, " ")+1:])]
				all[name] = true
				continue
			}
			all[group+name] = true
		}
	}
	return all
}
