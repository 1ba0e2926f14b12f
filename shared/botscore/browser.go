package botscore

import (
	"net/http"
	"strings"
)

// engine is what a browser is built on; it decides which headers are sent.
type engine int

const (
	other    engine = iota
	chromium        // Chrome, Edge, Opera, Brave, Samsung Internet, …
	webView         // Chromium inside of an Android app
	gecko           // Firefox
	webKit          // Safari, and every browser and app on iOS
)

// agent is what a User-Agent says.
type agent struct {
	engine   engine
	version  int    // major; of webKit that of Safari; 0: not said
	minor    int    // of webKit
	platform string // as in Sec-CH-UA-Platform
	mobile   bool
	wrong    bool // it contradicts itself
}

// parse reads the User-Agent of something that looks like a browser.
func parse(ua string) agent {
	a := agent{platform: platformOf(ua), mobile: strings.Contains(ua, "Mobile")}
	switch {
	case strings.Contains(ua, " Firefox/"):
		a.engine = gecko
		a.version, _ = versionAfter(ua, " Firefox/")
		rv, _ := versionAfter(ua, "rv:")
		// Versions 110 to 119 called their engine 109.
		a.wrong = !strings.Contains(ua, ") Gecko/") || rv != a.version && rv != 109 || strings.Contains(ua, "AppleWebKit")
	case strings.Contains(ua, " Chrome/"):
		a.engine = chromium
		if strings.Contains(ua, "; wv)") || strings.Contains(ua, " Version/4.0 Chrome/") {
			a.engine = webView
		}
		a.version, _ = versionAfter(ua, " Chrome/")
		a.wrong = !strings.Contains(ua, "AppleWebKit/537.36 (KHTML, like Gecko)") || !strings.Contains(ua, " Safari/537.36") || a.platform == ""
	case strings.Contains(ua, "AppleWebKit/"):
		a.engine = webKit
		a.version, a.minor = versionAfter(ua, " Version/")
		if a.version == 0 && strings.Contains(ua, "iPhone OS ") { // Chrome, Firefox, Edge and apps
			a.version, a.minor = versionAfter(ua, "iPhone OS ")
		}
		a.wrong = !strings.Contains(ua, "(KHTML, like Gecko)") || a.platform == "Windows"
	}
	return a
}

func platformOf(ua string) string {
	switch {
	case strings.Contains(ua, "Windows NT"):
		return "Windows"
	case strings.Contains(ua, "Android"):
		return "Android"
	case strings.Contains(ua, "iPhone") || strings.Contains(ua, "iPad"):
		return "iOS"
	case strings.Contains(ua, "Mac OS X"):
		return "macOS"
	case strings.Contains(ua, "CrOS"):
		return "Chrome OS"
	case strings.Contains(ua, "Linux"):
		return "Linux"
	}
	return ""
}

// versionAfter returns the numbers after a word, separated by `.` or `_`.
func versionAfter(ua, word string) (major, minor int) {
	_, rest, _ := strings.Cut(ua, word)
	major, rest = number(rest)
	if rest != "" && (rest[0] == '.' || rest[0] == '_') {
		minor, _ = number(rest[1:])
	}
	return major, minor
}

func number(text string) (n int, rest string) {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' || n > 99_999 {
			return n, text[i:]
		}
		n = n*10 + int(text[i]-'0')
	}
	return n, ""
}

// sendsSecFetch: Chrome since 76, Firefox since 90, Safari since 16.4.
func (a agent) sendsSecFetch() bool {
	switch a.engine {
	case chromium, webView:
		return a.version >= 80
	case gecko:
		return a.version >= 90
	case webKit:
		return a.version > 16 || a.version == 16 && a.minor >= 4
	}
	return false
}

// old reports whether the browser is of 2021 or before.
func (a agent) old() bool {
	switch a.engine {
	case chromium, webView:
		return a.version < 97
	case gecko:
		return a.version < 96
	case webKit:
		return a.version > 0 && a.version < 14
	}
	return false
}

// browser looks at a request whose User-Agent is a browser's.
func (s *set) browser(r *http.Request, a agent) {
	h := r.Header
	switch {
	case a.engine == other:
		s.add(unknownEngine)
	case a.wrong:
		s.add(wrongUserAgent)
	case a.old():
		s.add(oldBrowser)
	}
	if r.Method == http.MethodPost && h.Get("Origin") == "" {
		s.add(postWithoutOrigin)
	}
	s.fetchMetadata(h, a)
	s.clientHints(h, a)
}

// fetchMetadata looks at Sec-Fetch-*, see the W3C's «Fetch Metadata Request
// Headers».
func (s *set) fetchMetadata(h http.Header, a agent) {
	site, mode, dest := h.Get("Sec-Fetch-Site"), h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Dest")
	navigates := mode == "navigate"
	switch {
	case site == "" && mode == "" && dest == "":
		if a.sendsSecFetch() {
			s.add(noSecFetch)
		}
		return
	case site == "" || mode == "" || dest == "",
		navigates && dest == "empty", !navigates && dest == "document",
		!navigates && h.Get("Sec-Fetch-User") != "":
		s.add(oddSecFetch)
	}
	if !navigates {
		return
	}
	if !strings.Contains(bounded(h.Get("Accept")), "text/html") || a.engine != webKit && h.Get("Upgrade-Insecure-Requests") == "" {
		s.add(oddNavigation)
	}
}

// clientHints compares Sec-CH-UA* with the User-Agent. Only Chromium sends them,
// and always the three: brands, mobile and platform.
func (s *set) clientHints(h http.Header, a agent) {
	brands, mobile, platform := bounded(h.Get("Sec-Ch-Ua")), h.Get("Sec-Ch-Ua-Mobile"), strings.Trim(bounded(h.Get("Sec-Ch-Ua-Platform")), `"`)
	none := brands == "" && mobile == "" && platform == ""
	if a.engine != chromium && a.engine != webView {
		if !none && a.engine != other {
			s.add(foreignClientHints)
		}
		return
	}
	if none || brands == "" {
		if a.engine == chromium && a.version >= 90 {
			s.add(noClientHints)
		}
		return
	}
	if !hasVersion(brands, a.version) {
		s.add(otherVersion)
	}
	if platform != a.platform && !sameSystem(platform, a.platform) {
		s.add(otherPlatform)
	}
	if mobile != "?0" && mobile != "?1" || (mobile == "?1") != a.mobile {
		s.add(otherMobile)
	}
}

// sameSystem: Chrome OS has two names, and Android's browsers call themselves Linux
// when a person asks for the page of a computer.
func sameSystem(hint, ofAgent string) bool {
	return hint == "Chromium OS" && ofAgent == "Chrome OS" || hint == "Android" && ofAgent == "Linux"
}

// hasVersion reports whether a brand of a list such as `"Chromium";v="142"` has the
// version.
func hasVersion(brands string, version int) bool {
	for {
		_, rest, found := strings.Cut(brands, `;v="`)
		if !found {
			return false
		}
		n, _ := number(rest)
		if n == version {
			return true
		}
		brands = rest
	}
}
