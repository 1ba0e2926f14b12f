package template

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// elements are those that a body may have, each with the elements in which it must
// stand; "": anywhere.
var elements = map[string]string{
	"p": "", "div": "", "span": "", "h1": "", "h2": "", "h3": "", "h4": "", "a": "", "img": "", "br": "", "hr": "",
	"b": "", "strong": "", "i": "", "em": "", "u": "", "s": "", "small": "", "sub": "", "sup": "", "code": "", "pre": "", "blockquote": "",
	"ul": "", "ol": "", "li": "ul ol",
	"table": "", "thead": "table", "tbody": "table", "tfoot": "table", "tr": "thead tbody tfoot", "td": "tr", "th": "tr",
}

// empty are the elements without content.
var empty = map[string]bool{"img": true, "br": true, "hr": true}

var (
	word   = regexp.MustCompile(`^[A-Za-z0-9%. _-]*$`)
	anyone = regexp.MustCompile(``)
	// target is a web address whose host is written out, a mail address, or one value,
	// which html/template checks.
	target = regexp.MustCompile(`^(https://[^/?#\\@\s\x{F0000}-\x{10FFFF}]+([/?#].*)?|mailto:.*|[\x{F0000}-\x{10FFFF}])$`)
	image  = regexp.MustCompile(`^(https://[^/?#\\@\s\x{F0000}-\x{10FFFF}]+/.*|[\x{F0000}-\x{10FFFF}])$`)
	// style has no backslash, no comment and no at-rule, in which more could hide.
	style    = regexp.MustCompile(`^[A-Za-z0-9 #%.,:;!'"()\n\x{F0000}-\x{10FFFF}-]*$`)
	function = regexp.MustCompile(`([A-Za-z0-9-]*)\s*\(`)
)

// attribute says what an attribute may hold, and for people what that is.
type attribute struct {
	form    *regexp.Regexp
	values  bool // actions may stand in it
	meaning string
}

var attributes = map[string]attribute{
	"alt": {anyone, true, ""}, "title": {anyone, true, ""},
	"class": {word, false, "names of classes"}, "style": {style, true, "declarations without addresses, comments and backslashes"},
	"href": {target, true, "an address that begins with https:// and a host, or with mailto:, or one value"},
	"src":  {image, true, "an address that begins with https:// and a host, or one value"},
	"role": {word, false, "a word"}, "dir": {word, false, "a word"}, "lang": {word, false, "a word"}, "align": {word, false, "a word"}, "valign": {word, false, "a word"},
	"width": {word, false, "a number"}, "height": {word, false, "a number"}, "border": {word, false, "a number"},
	"cellpadding": {word, false, "a number"}, "cellspacing": {word, false, "a number"}, "colspan": {word, false, "a number"}, "rowspan": {word, false, "a number"},
}

// belongs says to which element alone an attribute belongs.
var belongs = map[string]string{"href": "a", "src": "img", "alt": "img"}

// look matches the values that may stand in a style.
var look = regexp.MustCompile(`^\{\{\$?\.Brand\.(Color|Ink)\}\}$`)

// colours are the functions that a style may call.
var colours = []string{"rgb", "rgba", "hsl", "hsla"}

// attributes checks the attributes of an element, and returns them with the style of
// its classes before its own.
func (m *markup) attributes(t html.Token) ([]html.Attribute, error) {
	seen := map[string]string{}
	for i, a := range t.Attr {
		rule, known := attributes[a.Key]
		switch {
		case !known || belongs[a.Key] != "" && belongs[a.Key] != t.Data:
			return nil, m.refuse("<%s> must not have the attribute %s", t.Data, a.Key)
		case !rule.values && strings.ContainsFunc(a.Val, isMark):
			return nil, m.refuse("the attribute %s cannot hold a value of the data", a.Key)
		case !rule.form.MatchString(strings.TrimSpace(a.Val)):
			return nil, m.refuse("the attribute %s must be %s", a.Key, rule.meaning)
		}
		t.Attr[i].Val = strings.TrimSpace(a.Val)
		seen[a.Key] = t.Attr[i].Val
	}
	if err := m.style(seen["style"]); err != nil {
		return nil, err
	}
	if t.Data == "img" && (seen["src"] == "" || seen["alt"] == "") {
		return nil, m.refuse("<img> needs src and alt, for those who do not see it")
	}
	return m.styled(t.Attr, seen)
}

// style checks what a style says: in Brand are the only values that fit.
func (m *markup) style(text string) error {
	for _, r := range text {
		if isValue(r) && !look.MatchString(m.actions[r-firstValue]) {
			return m.refuse("a style must not hold %s: only .Brand.Color and .Brand.Ink", m.actions[r-firstValue])
		}
	}
	for _, call := range function.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(colours, strings.ToLower(call[1])) {
			return m.refuse("a style must not use %s(): only colours such as rgb()", call[1])
		}
	}
	return nil
}

// styled adds the declarations of the classes.
func (m *markup) styled(all []html.Attribute, seen map[string]string) ([]html.Attribute, error) {
	var declared []string
	for _, class := range strings.Fields(seen["class"]) {
		declarations, ok := m.styles[class]
		if !ok {
			return nil, m.refuse("there is no class %s, only %s", class, strings.Join(slices.Sorted(maps.Keys(m.styles)), ", "))
		}
		declared = append(declared, declarations)
	}
	if len(declared) == 0 {
		return all, nil
	}
	if seen["style"] != "" {
		declared = append(declared, seen["style"])
	}
	all = slices.DeleteFunc(slices.Clone(all), func(a html.Attribute) bool { return a.Key == "style" })
	return append(all, html.Attribute{Key: "style", Val: strings.Join(declared, "; ")}), nil
}

// rule is one rule of the style sheet: classes and their declarations.
var rule = regexp.MustCompile(`(?m)^((?:\.[a-z]+)(?:, \.[a-z]+)*) \{ (.*) \}$`)

// readStyles reads layout/inline.css: declarations by class.
func readStyles(sheet string) map[string]string {
	styles := map[string]string{}
	for _, r := range rule.FindAllStringSubmatch(sheet, -1) {
		for _, class := range strings.Split(r[1], ", ") {
			class = strings.TrimPrefix(class, ".")
			if styles[class] != "" {
				styles[class] += "; "
			}
			styles[class] += r[2]
		}
	}
	return styles
}
