package doctest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced block of a document.
type block struct {
	file  string // relative to the repository
	line  int    // of its first line
	info  []string
	lines []string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

// documents returns the text of README and docs by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/adr/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[strings.TrimPrefix(file, root+"/")] = string(text)
		}
	}
	return texts
}

// blocks returns the fenced blocks of README and docs, those of a document
// together and in order.
func blocks(t *testing.T) (all []block) {
	t.Helper()
	for file, text := range documents(t) {
		all = append(all, blocksOf(file, text)...)
	}
	return all
}

func blocksOf(file, text string) (all []block) {
	var open *block
	for i, line := range strings.Split(text, "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{file: file, line: i + 2, info: strings.Fields(info)}
		case fence:
			all, open = append(all, *open), nil
		case open != nil:
			open.lines = append(open.lines, line)
		}
	}
	return all
}

var (
	tableRule = regexp.MustCompile(`^\|[-| :]+\|$`)
	cellWall  = regexp.MustCompile("`[^`]*`|\\\\\\||\\|")
)

// Markdown shows a table only if a header and a rule are above its rows. Every
// row must have the same number of cells.
func TestTablesAreWhole(t *testing.T) {
	t.Parallel()
	for file, text := range documents(t) {
		lines := strings.Split(text, "\n")
		width := 0 // of the table that the line is in
		for i, line := range lines {
			if !strings.HasPrefix(line, "|") {
				width = 0
				continue
			}
			cells := 0
			for _, found := range cellWall.FindAllString(line, -1) {
				if found == "|" {
					cells++
				}
			}
			switch {
			case width == 0 && !tableRule.MatchString(lines[i+1]):
				t.Errorf("%s:%d: the row belongs to no table: add a header and a rule above it", file, i+1)
			case width != 0 && cells != width:
				t.Errorf("%s:%d: the row has %d cells, the table %d", file, i+1, cells-1, width-1)
			}
			if width == 0 {
				width = cells
			}
		}
	}
}
