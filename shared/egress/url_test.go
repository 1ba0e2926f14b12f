package egress_test

import (
	"net/netip"
	"strings"
	"testing"

	"portico/shared/egress"
)

// hostileURLs lists URLs that an endpoint cannot have, with the reason.
var hostileURLs = []struct{ why, url string }{
	{"nothing", ""},
	{"a space", " "},
	{"a name only", "example.com"},
	{"a path only", "/hook"},
	{"no scheme", "//example.com/hook"},
	{"no host", "https:///hook"},
	{"no host but a port", "https://:443/hook"},
	{"opaque", "https:example.com/hook"},
	{"one slash", "https:/example.com/hook"},
	{"plain http", "http://example.com/hook"},
	{"plain http to a public address", "http://8.8.8.8/hook"},
	{"a file", "file:///etc/passwd"},
	{"a file with a host", "file://example.com/etc/passwd"},
	{"gopher", "gopher://example.com/_x"},
	{"ftp", "ftp://example.com/hook"},
	{"a web socket", "wss://example.com/hook"},
	{"a script", "javascript://example.com/%0aalert(1)"},
	{"data", "data:text/plain,hello"},
	{"a user name", "https://user@example.com/"},
	{"a user name and password", "https://user:secret@example.com/"},
	{"an empty user name", "https://@example.com/"},
	{"a user name that looks like the host", "https://example.com@10.0.0.1/"},
	{"a fragment", "https://example.com/#top"},
	{"an empty fragment", "https://example.com/#"},
	{"a fragment before @", "https://example.com#@10.0.0.1/"},
	{"a backslash before @", `https://example.com\@10.0.0.1/`},
	{"backslashes for slashes", `https:\\example.com\hook`},
	{"a backslash in the path", `https://example.com/a\b`},
	{"a space before", " https://example.com/"},
	{"a space after", "https://example.com/ "},
	{"a space in the host", "https://exam ple.com/"},
	{"a space in the path", "https://example.com/a b"},
	{"a line break", "https://example.com/\r\nHost: 10.0.0.1"},
	{"a tab", "https://exa\tmple.com/"},
	{"a zero byte", "https://example.com/\x00"},
	{"DEL", "https://example.com/\x7f"},
	{"port 0", "https://example.com:0/"},
	{"port 00", "https://example.com:00/"},
	{"port 65536", "https://example.com:65536/"},
	{"a port beyond all numbers", "https://example.com:99999999999999999999/"},
	{"an empty port", "https://example.com:/"},
	{"a negative port", "https://example.com:-1/"},
	{"a port that is a word", "https://example.com:https/"},
	{"two ports", "https://example.com:443:443/"},
	{"localhost", "https://localhost/"},
	{"localhost in capitals", "https://LOCALHOST/"},
	{"localhost with a dot", "https://localhost./"},
	{"below localhost", "https://api.localhost/"},
	{"cloud-internal", "https://metadata.google.internal/"},
	{"link-local name", "https://printer.local/"},
	{"loopback with a dot", "https://127.0.0.1./"},
	{"two dots after", "https://example.com../"},
	{"two dots inside", "https://example..com/"},
	{"a dot before", "https://.example.com/"},
	{"a dot only", "https://./"},
	{"one number", "https://2130706433/"},
	{"one number with a dot", "https://2130706433./"},
	{"hex", "https://0x7f000001/"},
	{"hex in capitals", "https://0X7F000001/"},
	{"empty hex", "https://0x/"},
	{"hex parts", "https://0x7f.0x0.0x0.0x1/"},
	{"octal", "https://0177.0.0.1/"},
	{"octal, all parts", "https://0177.0000.0000.0001/"},
	{"leading zeros", "https://127.000.000.001/"},
	{"two parts", "https://127.1/"},
	{"three parts", "https://127.0.1/"},
	{"five parts", "https://8.8.8.8.8/"},
	{"a part over 255", "https://8.8.8.256/"},
	{"a name that ends in a number", "https://example.1/"},
	{"a name that ends in hex", "https://example.0x7f/"},
	{"full-width digits", "https://１２７.０.０.１/"},
	{"circled digits", "https://①②⑦.⓪.⓪.①/"},
	{"full-width dots", "https://127。0。0。1/"},
	{"full-width letters", "https://ｌｏｃａｌｈｏｓｔ/"},
	{"a soft hyphen", "https://local\u00adhost/"},
	{"a zero-width space", "https://local\u200bhost/"},
	{"a letter that two standards map differently", "https://fußball.example/"},
	{"look-alike letters", "https://ехample.com/"},
	{"invalid UTF-8 in the host", "https://ex\xffample.com/"},
	{"percent in the host", "https://127%2e0%2e0%2e1/"},
	{"percent-encoded letters in the host", "https://%6cocalhost/"},
	{"percent-encoded full-width digits", "https://%EF%BC%91%EF%BC%92%EF%BC%97.1/"},
	{"a comma in the host", "https://a.example,b.example/"},
	{"a dollar in the host", "https://$IFS.example/"},
	{"brackets around an IPv4 address", "https://[127.0.0.1]/"},
	{"brackets around a name", "https://[example.com]/"},
	{"no closing bracket", "https://[::1/"},
	{"IPv6 without brackets", "https://::1/"},
	{"an encoded zone", "https://[fe80::1%25eth0]/"},
	{"a zone on a public address", "https://[2606:4700:4700::1111%25eth0]/"},
	{"too long", "https://example.com/" + strings.Repeat("a", 2048-19)},
}

// A customer cannot register a URL that leads, or that any parser could read as
// leading, to something else than a public https server. The error says why in a
// sentence.
func TestHostileURLs(t *testing.T) {
	var p egress.Policy
	for _, h := range hostileURLs {
		if err := p.CheckURL(h.url); err == nil {
			t.Errorf("%q (%s) was accepted", h.url, h.why)
		} else if len(err.Error()) < 10 || strings.Contains(err.Error(), "parse ") {
			t.Errorf("%q (%s) is refused without a sentence: %v", h.url, h.why, err)
		}
	}
}

// literal returns an address as the host of a URL.
func literal(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	return "[" + strings.Replace(addr.String(), "%", "%25", 1) + "]"
}

// An address is refused in a URL exactly when it may not be dialled.
func TestAddressesInURLs(t *testing.T) {
	var p egress.Policy
	for _, h := range hostile {
		for _, url := range []string{"https://%/", "https://%:8443/hook"} {
			url = strings.Replace(url, "%", literal(netip.MustParseAddr(h.addr)), 1)
			if p.CheckURL(url) == nil {
				t.Errorf("%s (%s) was accepted", url, h.why)
			}
		}
	}
	for _, f := range friendly {
		if err := p.CheckURL("https://" + literal(netip.MustParseAddr(f)) + "/hook"); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// URLs that customers use are accepted.
func TestFriendlyURLs(t *testing.T) {
	var p egress.Policy
	for _, url := range []string{
		"https://example.com", "https://example.com/", "https://example.com/hook?token=a%20b&x=1",
		"https://example.com:8443/hook", "https://example.com:65535/", "https://EXAMPLE.com/", "HTTPS://example.com/",
		"https://example.com./hook", "https://a.b.c.example.co.uk/hook", "https://my_app.example.com/",
		"https://xn--fuball-cta.example/", "https://1.example.com/", "https://3com.com/", "https://example.x0/",
		"https://mylocalhost/", "https://localhost.example.com/", "https://internal.example.com/",
		"https://example.com//double//slash", "https://example.com/%2e%2e/", "https://example.com/ü",
		"https://example.com/" + strings.Repeat("a", 2048-20),
	} {
		if err := p.CheckURL(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// On the local stack http is accepted too, but only to addresses on the
// allow-list.
func TestLocalURLs(t *testing.T) {
	p := policy(t, "127.0.0.0/8,::1/128")
	for url, may := range map[string]bool{
		"http://127.0.0.1:8080/hook": true, "http://localhost:8080/hook": true, "http://[::1]:8080/": true,
		"https://127.0.0.1/": true, "https://example.com/": true,
		"http://example.com/": false, "http://8.8.8.8/": false, "http://10.0.0.1/": false, "https://10.0.0.1/": false,
		"http://api.localhost/": false, "http://localhost.example.com/": false, "ftp://127.0.0.1/": false,
		"http://user@127.0.0.1/": false, "http://0x7f.1/": false,
		"http://[::1%25lo]:8080/": false, "https://[::1%25lo]/": false,
	} {
		if err := p.CheckURL(url); (err == nil) != may {
			t.Errorf("%s: %v", url, err)
		}
	}
}
