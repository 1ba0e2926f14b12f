package override

import "strings"

// Line is a line of a difference.
type Line struct {
	Change string // "-": only in the first text, "+": only in the second, "": in both
	Text   string
}

// maxCells bounds the table by which two texts are compared.
const maxCells = 4 << 20

// Diff compares two texts line by line. If they are long and have little in common,
// what is between their equal beginnings and ends counts as changed.
func Diff(from, to string) []Line {
	a, b := strings.Split(from, "\n"), strings.Split(to, "\n")
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	lines := make([]Line, 0, len(a)+len(b))
	lines = add(lines, "", a[:start])
	lines = middle(lines, a[start:len(a)-end], b[start:len(b)-end])
	return add(lines, "", a[len(a)-end:])
}

func add(lines []Line, change string, texts []string) []Line {
	for _, text := range texts {
		lines = append(lines, Line{change, text})
	}
	return lines
}

// middle compares by the longest common subsequence.
func middle(lines []Line, a, b []string) []Line {
	if len(a)*len(b) > maxCells {
		return add(add(lines, "-", a), "+", b)
	}
	width := len(b) + 1
	longest := make([]int32, (len(a)+1)*width) // of a[i:] and b[j:]
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i*width+j] = longest[(i+1)*width+j+1] + 1
			} else {
				longest[i*width+j] = max(longest[(i+1)*width+j], longest[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			lines, i, j = append(lines, Line{"", a[i]}), i+1, j+1
		case longest[(i+1)*width+j] >= longest[i*width+j+1]:
			lines, i = append(lines, Line{"-", a[i]}), i+1
		default:
			lines, j = append(lines, Line{"+", b[j]}), j+1
		}
	}
	return add(add(lines, "-", a[i:]), "+", b[j:])
}
