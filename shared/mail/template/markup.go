package template

import (
	"fmt"
	"sort"
	"strings"
	"text/template/parse"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// stream is a part as a parser of HTML can read it: each action is one character of
// a private use area, which no source contains. So what is checked is what all
// branches can become.
type stream struct {
	out     strings.Builder
	actions []string // of the characters firstValue, firstValue+1 and so on
	origins []origin
}

// origin says where the stream's text from an offset on comes from.
type origin struct{ at, source int }

const (
	begins        = '\uE000' // a condition or a loop
	otherwiseMark = '\uE001'
	ends          = '\uE002'
	firstValue    = '\U000F0000'
)

func (s *stream) addText(text string, source int) {
	s.origins = append(s.origins, origin{s.out.Len(), source})
	s.out.WriteString(text)
}

func (s *stream) addAction(n parse.Node, text string) {
	s.origins = append(s.origins, origin{s.out.Len(), int(n.Position())})
	s.out.WriteRune(firstValue + rune(len(s.actions)))
	s.actions = append(s.actions, text)
}

// addControl writes two characters: what it is, and its action.
func (s *stream) addControl(mark rune, source parse.Pos, text string) {
	s.origins = append(s.origins, origin{s.out.Len(), int(source)})
	s.out.WriteRune(mark)
	s.out.WriteRune(firstValue + rune(len(s.actions)))
	s.actions = append(s.actions, text)
}

func isValue(r rune) bool   { return r >= firstValue }
func isControl(r rune) bool { return r >= begins && r <= ends }
func isMark(r rune) bool    { return isValue(r) || isControl(r) }

// source returns the part as a template again.
func (s *stream) source() string { return s.restore(s.out.String()) }

func (s *stream) restore(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case isControl(r):
		case isValue(r):
			out.WriteString(s.actions[r-firstValue])
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// markup reads the HTML of a body.
type markup struct {
	*checked
	styles map[string]string
	at     int      // in the stream
	open   []string // elements and, as "", the branches of conditions and loops
	out    strings.Builder
}

// markup checks the HTML and returns it as a template, with the styles of the
// classes in the elements.
func (c *checked) markup(styles map[string]string) (string, error) {
	m := &markup{checked: c, styles: styles}
	text := c.out.String()
	tokens := html.NewTokenizer(strings.NewReader(text))
	for tokens.Next() != html.ErrorToken {
		raw := string(tokens.Raw())
		if err := m.token(tokens.Token(), raw); err != nil {
			return "", err
		}
		m.at += len(raw)
	}
	if m.at != len(text) {
		return "", m.refuse("a tag is not closed")
	}
	if len(m.open) > 0 {
		return "", m.refuse("<%s> is not closed", m.open[len(m.open)-1])
	}
	return c.restore(m.out.String()), nil
}

// refuse returns the fault of the place in the stream.
func (m *markup) refuse(format string, args ...any) error {
	i := sort.Search(len(m.origins), func(i int) bool { return m.origins[i].at > m.at }) - 1
	source := 0
	if i >= 0 {
		source = m.origins[i].source + m.at - m.origins[i].at
	}
	return problemAt(m.field, lineOf(m.text, source), fmt.Sprintf(format, args...))
}

func (m *markup) token(t html.Token, raw string) error {
	switch t.Type {
	case html.TextToken:
		return m.words(raw)
	case html.StartTagToken, html.SelfClosingTagToken:
		return m.start(t, raw)
	case html.EndTagToken:
		if strings.ContainsFunc(raw, isMark) {
			return m.refuse("an action stands in a tag")
		}
		if n := len(m.open); n == 0 || m.open[n-1] != t.Data {
			return m.refuse("</%s> closes nothing that was opened in the same place: put conditions around whole elements", t.Data)
		}
		m.open = m.open[:len(m.open)-1]
		m.out.WriteString("</" + t.Data + ">")
		return nil
	}
	return m.refuse("comments and declarations are not allowed: write {{/* … */}}")
}

// words checks text between tags, where conditions and loops begin and end.
func (m *markup) words(raw string) error {
	start := m.at
	for i, r := range raw {
		m.at = start + i
		top := len(m.open) - 1
		switch {
		case r == '<':
			return m.refuse("write &lt; for <")
		case r == begins:
			m.open = append(m.open, "")
		case r == otherwiseMark && (top < 0 || m.open[top] != ""), r == ends && (top < 0 || m.open[top] != ""):
			return m.refuse("an element is open where a condition or a loop ends: put it around whole elements")
		case r == ends:
			m.open = m.open[:top]
		}
	}
	m.at = start
	m.out.WriteString(raw)
	return nil
}

func (m *markup) start(t html.Token, raw string) error {
	parents, known := elements[t.Data]
	switch {
	case strings.ContainsFunc(t.Data, isMark) || strings.ContainsFunc(raw, isControl):
		return m.refuse("an action stands in a tag: only values of attributes can be actions; put conditions around whole elements")
	case !known:
		return m.refuse("<%s> is not allowed", t.Data)
	case parents != "" && !strings.Contains(" "+parents+" ", " "+m.parent()+" "):
		return m.refuse("<%s> must be in <%s>", t.Data, strings.ReplaceAll(parents, " ", "> or <"))
	case !empty[t.Data] && t.Type == html.SelfClosingTagToken:
		return m.refuse("<%s/>: write <%s></%s>", t.Data, t.Data, t.Data)
	}
	values := 0
	for _, a := range t.Attr {
		values += countValues(a.Val)
	}
	if values != countValues(raw) {
		return m.refuse("an action stands in the name of an attribute")
	}
	attributes, err := m.attributes(t)
	if err != nil {
		return err
	}
	if !empty[t.Data] {
		m.open = append(m.open, t.Data)
	}
	m.out.WriteString("<" + t.Data)
	for _, a := range attributes {
		m.out.WriteString(" " + a.Key + `="` + html.EscapeString(a.Val) + `"`)
	}
	m.out.WriteString(">")
	return nil
}

// parent returns the innermost open element.
func (m *markup) parent() string {
	for i := len(m.open) - 1; i >= 0; i-- {
		if m.open[i] != "" {
			return m.open[i]
		}
	}
	return ""
}

func countValues(text string) int {
	return utf8.RuneCountInString(text) - utf8.RuneCountInString(strings.Map(func(r rune) rune {
		if isMark(r) {
			return -1
		}
		return r
	}, text))
}

// links returns the targets of a page's links.
func links(page string) (all []string) {
	tokens := html.NewTokenizer(strings.NewReader(page))
	for tokens.Next() != html.ErrorToken {
		t := tokens.Token()
		for _, a := range t.Attr {
			if t.Data == "a" && a.Key == "href" {
				all = append(all, a.Val)
			}
		}
	}
	return all
}
