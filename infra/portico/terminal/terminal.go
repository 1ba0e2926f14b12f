// Package terminal prints for people: tables, records, and colours where they are
// wanted. What it prints of the API or of a receiver cannot control the terminal.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Colour is the code of a colour or style; the empty one is none.
type Colour string

// The colours in use.
const (
	Plain  Colour = ""
	Bold   Colour = "1"
	Faint  Colour = "2"
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
)

// Printer writes to one output.
type Printer struct {
	W        io.Writer
	Coloured bool
	// Live says that lines can be overwritten.
	Live bool
}

// New returns a printer that uses colours if w is a terminal whose user has not
// switched them off (https://no-color.org).
func New(w io.Writer, getenv func(string) string) Printer {
	live := isTerminal(w) && getenv("TERM") != "dumb"
	return Printer{w, live && getenv("NO_COLOR") == "", live}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Paint returns text in a colour.
func (p Printer) Paint(c Colour, text string) string {
	if !p.Coloured || c == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// Line prints one line.
func (p Printer) Line(format string, args ...any) { fmt.Fprintf(p.W, format+"\n", args...) }

// Progress shows a text in place of the one before, until the next line; "" removes it.
// What is not a terminal does not get it.
func (p Printer) Progress(text string) {
	if p.Live {
		fmt.Fprint(p.W, "\r\x1b[K"+text)
	}
}

// Clean replaces what could control a terminal or break a line.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.Is(unicode.Bidi_Control, r), unicode.IsControl(r) && r != '\n' && r != '\t':
			return '\uFFFD'
		case r == '\n', r == '\t':
			return ' '
		}
		return r
	}, text)
}

// Table prints rows below a heading, in columns as wide as their longest cell.
func (p Printer) Table(heading []string, rows [][]string) {
	widths := make([]int, len(heading))
	for _, row := range append([][]string{heading}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	p.row(heading, widths, func(int, string) Colour { return Bold })
	for _, row := range rows {
		p.row(row, widths, func(i int, cell string) Colour { return ofState(heading[i], cell) })
	}
}

func (p Printer) row(cells []string, widths []int, colour func(i int, cell string) Colour) {
	var line strings.Builder
	for i, cell := range cells {
		line.WriteString(p.Paint(colour(i, cell), cell))
		if i < len(cells)-1 {
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
	}
	p.Line("%s", line.String())
}

// Record prints names and values.
func (p Printer) Record(fields [][2]string) {
	width := 0
	for _, f := range fields {
		width = max(width, utf8.RuneCountInString(f[0]))
	}
	for _, f := range fields {
		space := strings.Repeat(" ", width-utf8.RuneCountInString(f[0])+2)
		p.Line("%s%s%s", p.Paint(Faint, f[0]), space, p.Paint(ofState(f[0], f[1]), f[1]))
	}
}

// ofState is the colour of a state, in a column or field that holds one.
func ofState(name, value string) Colour {
	switch strings.ToLower(name) {
	case "status", "state", "breaker", "health.breaker":
		return states[value]
	}
	return Plain
}

var states = map[string]Colour{
	"enabled": Green, "delivered": Green, "closed": Green, "succeeded": Green, "completed": Green,
	"pending": Yellow, "held": Yellow, "running": Yellow, "half_open": Yellow, "waiting": Yellow,
	"disabled": Red, "failed": Red, "open": Red, "expired": Red,
}
