package sending

import (
	"encoding/binary"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/net/http2/hpack"

	"portico/shared/webhook/signing"
)

// An exchange is kept in a few bytes, because there is one for each try: a version, a
// byte of flags, times in microseconds as varints, the address, the scheme, the names of
// custom headers, and the response's headers. Common names and values are numbers, a
// date is its distance from the try, and other texts have HPACK's Huffman code
// (RFC 7541) where that is shorter.
//
// What is stored must stay readable: append to fieldNames, fieldValues and schemes, and
// change nothing else without a new version.
const exchangeVersion = 1

// The flags.
const (
	flagReused = 1 << iota
	flagCut
	flagAddress4
	flagAddress6
)

// The kinds of a text, in the two lowest bits of its length.
const (
	plainText   = iota
	huffmanText // the length is that of the code
	knownText   // the length is the index in fieldValues
	dateText    // the length is the distance from the try in seconds, zigzag
)

var schemes = []string{signing.SchemePortico, signing.SchemeStandard, signing.SchemeStandardAsymmetric}

var fieldNames = []string{
	"Date", "Content-Length", "Content-Type", "Server", "Connection", "Keep-Alive", "Cache-Control", "Vary", "Etag", "Expires",
	"Last-Modified", "Location", "Pragma", "Retry-After", "Set-Cookie", "Transfer-Encoding", "Content-Encoding", "Via", "Age", "Allow",
	"Www-Authenticate", "X-Request-Id", "X-Powered-By", "X-Runtime", "X-Frame-Options", "X-Content-Type-Options", "X-Xss-Protection",
	"Strict-Transport-Security", "Content-Security-Policy", "Referrer-Policy", "Access-Control-Allow-Origin", "Access-Control-Allow-Headers",
	"Access-Control-Allow-Methods", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Alt-Svc", "Nel", "Report-To",
	"Cf-Ray", "Cf-Cache-Status", "X-Cache", "X-Amz-Cf-Id", "X-Amz-Cf-Pop", "X-Amzn-Requestid", "X-Amzn-Trace-Id", "X-Amz-Apigw-Id",
	"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "X-Vercel-Id", "X-Vercel-Cache", "X-Envoy-Upstream-Service-Time",
	"X-Download-Options", "X-Permitted-Cross-Domain-Policies", "X-Dns-Prefetch-Control", "Permissions-Policy", "Traceparent", "Fly-Request-Id",
}

var fieldValues = []string{
	mask, "application/json", "application/json; charset=utf-8", "text/plain; charset=utf-8", "text/plain", "text/html; charset=utf-8",
	"text/html; charset=UTF-8", "text/html", "keep-alive", "close", "nginx", "cloudflare", "Apache", "no-cache", "no-store", "DYNAMIC",
	"no-cache, private", "max-age=0, private, must-revalidate", "Accept-Encoding", "Origin", "*", "nosniff", "DENY", "SAMEORIGIN",
	"1; mode=block", "0", "chunked", "Express", "true", "timeout=5", "max-age=31536000; includeSubDomains",
	"strict-origin-when-cross-origin", "no-referrer", "1.1 google", `h3=":443"; ma=86400`,
}

// numbers returns the index of each text in a list.
func numbers(list []string) map[string]int {
	byText := make(map[string]int, len(list))
	for i, text := range list {
		byText[text] = i
	}
	return byText
}

var nameNumbers, valueNumbers = numbers(fieldNames), numbers(fieldValues)

// Encode returns an exchange for the log; at is when its try began.
func (e Exchange) Encode(at time.Time) []byte {
	b := append(make([]byte, 0, 64), exchangeVersion, 0)
	b = appendMicros(b, e.FirstByte)
	if e.Reused {
		b[1] |= flagReused
	} else {
		b = appendMicros(appendMicros(appendMicros(b, e.DNS), e.Connect), e.TLS)
	}
	switch {
	case e.Address.Is4():
		b[1] |= flagAddress4
	case e.Address.Is6():
		b[1] |= flagAddress6
	}
	b = append(b, e.Address.AsSlice()...)
	if e.Cut {
		b[1] |= flagCut
	}
	b = append(b, byte(max(slices.Index(schemes, e.Scheme), 0)), byte(len(e.CustomHeaders)))
	for _, name := range e.CustomHeaders {
		b = appendText(b, name, at)
	}
	for _, f := range e.ResponseHeaders {
		if n, known := nameNumbers[f.Name]; known {
			b = append(b, byte(n+1))
		} else {
			b = appendText(append(b, 0), f.Name, at)
		}
		b = appendText(b, f.Value, at)
	}
	return b
}

func appendMicros(b []byte, d time.Duration) []byte {
	return binary.AppendUvarint(b, uint64(max(d.Microseconds(), 0)))
}

func appendText(b []byte, text string, at time.Time) []byte {
	if n, known := valueNumbers[text]; known {
		return binary.AppendUvarint(b, uint64(n)<<2|knownText)
	}
	if date, ok := dateOf(text); ok {
		distance := date.Unix() - at.Unix()
		return binary.AppendUvarint(b, uint64(distance<<1^distance>>63)<<2|dateText)
	}
	if n := hpack.HuffmanEncodeLength(text); n < uint64(len(text)) {
		return hpack.AppendHuffmanString(binary.AppendUvarint(b, n<<2|huffmanText), text)
	}
	return append(binary.AppendUvarint(b, uint64(len(text))<<2), text...) // plainText is 0
}

// dateOf reads a date that is in the one form in which dateText is written again.
func dateOf(text string) (time.Time, bool) {
	if len(text) != len(http.TimeFormat) || text[3] != ',' {
		return time.Time{}, false
	}
	date, err := time.Parse(http.TimeFormat, text)
	var again [len(http.TimeFormat)]byte
	return date, err == nil && string(date.AppendFormat(again[:0], http.TimeFormat)) == text
}

var errExchange = errors.New("the stored exchange of a try is not valid")

// DecodeExchange reads what Encode wrote.
func DecodeExchange(stored []byte, at time.Time) (e Exchange, err error) {
	d := decoder{rest: stored, at: at}
	if d.byte() != exchangeVersion {
		return Exchange{}, errExchange
	}
	flags := d.byte()
	e.Reused, e.Cut, e.FirstByte = flags&flagReused != 0, flags&flagCut != 0, d.micros()
	if !e.Reused {
		e.DNS, e.Connect, e.TLS = d.micros(), d.micros(), d.micros()
	}
	switch {
	case flags&flagAddress4 != 0:
		e.Address, _ = netip.AddrFromSlice(d.take(4))
	case flags&flagAddress6 != 0:
		e.Address, _ = netip.AddrFromSlice(d.take(16))
	}
	if scheme := int(d.byte()); scheme < len(schemes) {
		e.Scheme = schemes[scheme]
	}
	for range d.byte() {
		e.CustomHeaders = append(e.CustomHeaders, d.text())
	}
	for len(d.rest) > 0 && !d.failed {
		e.ResponseHeaders = append(e.ResponseHeaders, Field{d.name(), d.text()})
	}
	if d.failed || e.Scheme == "" {
		return Exchange{}, errExchange
	}
	return e, nil
}

// decoder reads the parts of an exchange. After the end it reads zeros.
type decoder struct {
	rest   []byte
	at     time.Time
	failed bool
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.failed, d.rest = true, nil
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.failed, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) micros() time.Duration { return time.Duration(d.number()) * time.Microsecond }

func (d *decoder) name() string {
	n := int(d.byte())
	switch {
	case n == 0:
		return d.text()
	case n <= len(fieldNames):
		return fieldNames[n-1]
	}
	d.failed = true
	return ""
}

func (d *decoder) text() string {
	head := d.number()
	n := head >> 2
	switch head & 3 {
	case plainText:
		return string(d.take(n))
	case huffmanText:
		text, err := hpack.HuffmanDecodeToString(d.take(n))
		d.failed = d.failed || err != nil
		return text
	case dateText:
		return time.Unix(d.at.Unix()+(int64(n>>1)^-int64(n&1)), 0).UTC().Format(http.TimeFormat)
	}
	if n >= uint64(len(fieldValues)) {
		d.failed = true
		return ""
	}
	return fieldValues[n]
}
