// Package botscore estimates from a request's headers whether a person's browser
// has sent it or a program. It sees only what every client says about itself: a
// program that sends exactly what a browser sends looks like one.
package botscore

import (
	"net/http"
	"strings"
)

// Score says how much a request looks like one of a program.
type Score struct {
	Value   int // 0: as from a browser, …, 100: certainly not
	signals set
}

// Bot is the score from which on a request is taken for one of a program. The
// weights are chosen for it.
const Bot = 50

// set is a set of signals.
type set uint32

// signal is something about a request that browsers do not do.
type signal int

const (
	noUserAgent signal = iota
	notABrowser
	saysBot
	headless
	unknownEngine
	wrongUserAgent
	oldBrowser
	noAccept
	noAcceptLanguage
	oddAcceptLanguage
	noAcceptEncoding
	oddAcceptEncoding
	noSecFetch
	oddSecFetch
	oddNavigation
	noClientHints
	foreignClientHints
	otherVersion
	otherPlatform
	otherMobile
	postWithoutOrigin
	signals // how many there are
)

// Signal is a signal's name in the log and its weight in the score.
type Signal struct {
	Name   string
	Weight int
	Means  string
}

// table has the signals. Their weights are chosen so that what no browser does is
// enough alone, and what a proxy or an extension may do is not.
var table = [signals]Signal{
	noUserAgent:        {"no_user_agent", 80, "no `User-Agent`, or one of less than 8 characters"},
	notABrowser:        {"not_a_browser", 80, "a `User-Agent` that does not begin with `Mozilla/5.0 (`, as those of all browsers do"},
	saysBot:            {"says_bot", 80, "a `User-Agent` that says it is a bot, a crawler or a spider, or has a link"},
	headless:           {"headless", 80, "a browser without a window, or one that a program controls, and that says so"},
	unknownEngine:      {"unknown_engine", 40, "a `User-Agent` without the engine of any current browser"},
	wrongUserAgent:     {"wrong_user_agent", 50, "a `User-Agent` that contradicts itself, such as Safari on Windows"},
	oldBrowser:         {"old_browser", 25, "a browser of 2021 or before"},
	noAccept:           {"no_accept", 40, "no `Accept`"},
	noAcceptLanguage:   {"no_accept_language", 35, "no `Accept-Language`"},
	oddAcceptLanguage:  {"odd_accept_language", 30, "an `Accept-Language` without any language"},
	noAcceptEncoding:   {"no_accept_encoding", 30, "no `Accept-Encoding`"},
	oddAcceptEncoding:  {"odd_accept_encoding", 20, "an `Accept-Encoding` without `gzip` or without `br`"},
	noSecFetch:         {"no_sec_fetch", 35, "no `Sec-Fetch-*` from a browser that sends it"},
	oddSecFetch:        {"odd_sec_fetch", 40, "`Sec-Fetch-*` that is not complete, or contradicts itself"},
	oddNavigation:      {"odd_navigation", 30, "a page is opened, but not with the headers for a page"},
	noClientHints:      {"no_client_hints", 35, "no `Sec-CH-UA` from a browser that sends it"},
	foreignClientHints: {"foreign_client_hints", 60, "`Sec-CH-UA` from a browser that never sends it"},
	otherVersion:       {"other_version", 50, "`Sec-CH-UA` has another version than `User-Agent`"},
	otherPlatform:      {"other_platform", 50, "`Sec-CH-UA-Platform` is another platform than in `User-Agent`"},
	otherMobile:        {"other_mobile", 30, "`Sec-CH-UA-Mobile` contradicts `User-Agent`"},
	postWithoutOrigin:  {"post_without_origin", 40, "a POST without `Origin`, which browsers always send"},
}

// Signals returns all signals, for the documentation.
func Signals() []Signal { return table[:] }

// Of returns the score of a request. It allocates nothing, and reads at most the
// first 1,024 bytes of each header.
func Of(r *http.Request) Score {
	h := r.Header
	fired := set(0)
	ua := bounded(h.Get("User-Agent"))
	switch {
	case len(ua) < 8:
		fired.add(noUserAgent)
	case saysItIsABot(ua):
		fired.add(saysBot)
	case strings.Contains(ua, "Headless") || strings.Contains(bounded(h.Get("Sec-Ch-Ua")), "Headless") || strings.Contains(ua, "PhantomJS"):
		fired.add(headless)
	case !strings.HasPrefix(ua, "Mozilla/5.0 ("):
		fired.add(notABrowser)
	default:
		fired.browser(r, parse(ua))
	}
	if h.Get("Accept") == "" {
		fired.add(noAccept)
	}
	fired.negotiation(h)
	return Score{Value: fired.value(), signals: fired}
}

// negotiation looks at what every browser sends with every request.
func (s *set) negotiation(h http.Header) {
	switch language := bounded(h.Get("Accept-Language")); {
	case language == "":
		s.add(noAcceptLanguage)
	case !startsWithLetters(language):
		s.add(oddAcceptLanguage)
	}
	switch encoding := bounded(h.Get("Accept-Encoding")); {
	case encoding == "":
		s.add(noAcceptEncoding)
	case !strings.Contains(encoding, "gzip") || !strings.Contains(encoding, "br"):
		s.add(oddAcceptEncoding)
	}
}

func startsWithLetters(language string) bool {
	letter := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
	return len(language) >= 2 && letter(language[0]) && letter(language[1])
}

// botWords are what crawlers say. `bot` alone is also part of a phone's name.
var botWords = [...]string{"bot/", "bot;", "Bot/", "Bot;", "Bot ", "bot)", "rawl", "pider", "+http", "://", "@", "jsdom", "ython", "Java/", "WindowsPowerShell", "Preview", "facebookexternalhit"}

func saysItIsABot(ua string) bool {
	for _, word := range botWords {
		if strings.Contains(ua, word) {
			return true
		}
	}
	return false
}

const maxHeader = 1024

func bounded(s string) string { return s[:min(len(s), maxHeader)] }

func (s *set) add(x signal) { *s |= 1 << x }

func (s set) value() (sum int) {
	for x := range signals {
		if s&(1<<x) != 0 {
			sum += table[x].Weight
		}
	}
	return min(sum, 100)
}

// Signals returns the names of the signals that the score was made of, joined by
// spaces; "" for none.
func (s Score) Signals() string {
	var names []string
	for x := range signals {
		if s.signals&(1<<x) != 0 {
			names = append(names, table[x].Name)
		}
	}
	return strings.Join(names, " ")
}
