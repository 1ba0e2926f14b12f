package password

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// least and longest are how many code points a password has, in Unicode's normal form
// C. A longer one is refused, never cut.
const (
	least   = 8
	longest = 256
)

// shortestWord is how many code points a word of context has at least: shorter ones
// are in every password.
const shortestWord = 3

// Refusal says why a password cannot be chosen. Its text is a sentence for the person.
type Refusal int

// The refusals. There are no rules about kinds of characters.
const (
	TooShort Refusal = iota + 1
	TooLong
	NotText
	Common
	OfContext
	Breached
)

func (r Refusal) Error() string {
	switch r {
	case TooShort:
		return "Choose a password of at least 8 characters."
	case TooLong:
		return "Choose a password of at most 256 characters."
	case NotText:
		return "Choose a password whose characters can be read: it must be UTF-8."
	case Common:
		return "Many people use this password. Choose another one."
	case OfContext:
		return "Choose a password of at least 8 characters besides parts of your address and of names."
	case Breached:
		return "This password is in a list of stolen ones. Choose another one, and change it wherever you use it."
	}
	return "Choose another password."
}

// Rules say which passwords may be chosen.
type Rules struct {
	// Words are those that everybody knows here, such as the product's name.
	Words []string
	// Breaches knows stolen passwords; nil: it is not asked.
	Breaches *Breaches
}

// Check returns a Refusal unless somebody may choose a password. about are texts that
// others know of the person: the address, the names of person and organization.
func (r Rules) Check(ctx context.Context, password string, about ...string) error {
	if !utf8.ValidString(password) {
		return NotText
	}
	password = norm.NFC.String(password)
	switch n := utf8.RuneCountInString(password); {
	case n < least:
		return TooShort
	case n > longest:
		return TooLong
	case isCommon(password):
		return Common
	case utf8.RuneCountInString(without(password, append(about, r.Words...))) < least:
		return OfContext
	case r.Breaches != nil && r.Breaches.know(ctx, password):
		return Breached
	}
	return nil
}

// without returns what is left of a password without the words of the texts.
func without(password string, texts []string) string {
	var words []string
	for _, text := range texts {
		words = append(words, strings.FieldsFunc(strings.ToLower(norm.NFC.String(text)), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })...)
	}
	slices.SortFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // a long one may contain a short one
	password = strings.ToLower(password)
	for _, word := range words {
		if utf8.RuneCountInString(word) >= shortestWord {
			password = strings.ReplaceAll(password, word, "")
		}
	}
	return password
}
