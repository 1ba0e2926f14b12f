// Package pattern measures regular expressions that customers write, before they are
// compiled: matching takes as many steps per character as they have instructions.
package pattern

import "regexp/syntax"

// Instructions returns how many instructions a compiled pattern has, and most + 1 or
// more if it has more than most. A pattern that is too large by the count of its parts
// is not compiled at all.
func Instructions(tree *syntax.Regexp, most int) int {
	if n := parts(tree, most); n > most {
		return n
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return most + 1
	}
	return len(program.Inst)
}

// parts counts the parts of a pattern, each as often as {} repeats it. It stops
// counting above most.
func parts(tree *syntax.Regexp, most int) int {
	n := 0
	for _, sub := range tree.Sub {
		n = min(n+parts(sub, most), most+1)
	}
	switch {
	case tree.Op == syntax.OpLiteral:
		n = len(tree.Rune)
	case len(tree.Sub) == 0:
		n = 1
	case tree.Op == syntax.OpRepeat:
		n = min(n*max(tree.Min, tree.Max), most+1)
	}
	return n
}
