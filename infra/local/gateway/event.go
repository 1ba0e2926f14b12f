package gateway

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"portico/shared/jsontext"
)

// event is a request in payload format 2.0.
type event struct {
	routeKey, rawPath, rawQueryString string // the path is decoded: HTTP APIs do that
	cookies                           []string
	headers                           map[string]string
	queryStringParameters             map[string]string
	pathParameters                    map[string]string
	domainName, domainPrefix          string
	method, protocol                  string
	sourceIP, userAgent               string
	requestID                         string
	time                              time.Time
	body                              string
	isBase64Encoded                   bool
}

func newEvent(r *http.Request, id string, route *route, parameters map[string]string, body []byte) *event {
	now := time.Now().UTC()
	domain := r.Host
	if host, _, err := net.SplitHostPort(domain); err == nil {
		domain = host
	}
	prefix, _, _ := strings.Cut(domain, ".")
	e := &event{
		routeKey: route.key, rawPath: r.URL.Path, rawQueryString: r.URL.RawQuery,
		headers: headers(r, now), queryStringParameters: queryParameters(r.URL.RawQuery), pathParameters: parameters,
		domainName: domain, domainPrefix: prefix, method: r.Method, protocol: r.Proto, sourceIP: sourceIP(r), userAgent: r.UserAgent(),
		requestID: id, time: now,
	}
	for _, line := range r.Header["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			e.cookies = append(e.cookies, strings.TrimSpace(cookie))
		}
	}
	if isText(r.Header.Get("Content-Type"), body) {
		e.body = string(body)
	} else {
		e.body, e.isBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}

// encode returns the event in JSON.
func (e *event) encode() []byte {
	o := object{text: append(make([]byte, 0, len(e.body)+len(e.body)/4+2048), '{')}
	o.string("version", "2.0")
	o.string("routeKey", e.routeKey)
	o.string("rawPath", e.rawPath)
	o.string("rawQueryString", e.rawQueryString)
	if len(e.cookies) > 0 {
		o.name("cookies")
		for i, cookie := range e.cookies {
			sign := byte(',')
			if i == 0 {
				sign = '['
			}
			o.text = jsontext.AppendString(append(o.text, sign), cookie)
		}
		o.text = append(o.text, ']')
	}
	o.strings("headers", e.headers)
	o.strings("queryStringParameters", e.queryStringParameters)
	o.name("requestContext")
	e.encodeContext(&o)
	o.strings("pathParameters", e.pathParameters)
	if e.body != "" {
		o.string("body", e.body)
	}
	o.name("isBase64Encoded")
	return append(strconv.AppendBool(o.text, e.isBase64Encoded), '}')
}

func (e *event) encodeContext(o *object) {
	o.text = append(o.text, '{')
	o.string("accountId", "000000000000")
	o.string("apiId", "local")
	o.string("domainName", e.domainName)
	o.string("domainPrefix", e.domainPrefix)
	o.name("http")
	o.text = append(o.text, '{')
	o.string("method", e.method)
	o.string("path", e.rawPath)
	o.string("protocol", e.protocol)
	o.string("sourceIp", e.sourceIP)
	o.string("userAgent", e.userAgent)
	o.text = append(o.text, '}')
	o.string("requestId", e.requestID)
	o.string("routeKey", e.routeKey)
	o.string("stage", "$default")
	o.string("time", e.time.Format("02/Jan/2006:15:04:05 -0700"))
	o.name("timeEpoch")
	o.text = append(strconv.AppendInt(o.text, e.time.UnixMilli(), 10), '}')
}

// object is a JSON object that is being written.
type object struct{ text []byte }

func (o *object) name(name string) { o.text = jsontext.AppendName(o.text, name) }

func (o *object) string(name, value string) {
	o.name(name)
	o.text = jsontext.AppendString(o.text, value)
}

// strings adds no empty map: API Gateway sends none.
func (o *object) strings(name string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	o.name(name)
	o.text = append(o.text, '{')
	for name, value := range values {
		o.string(name, value)
	}
	o.text = append(o.text, '}')
}

// headers are lower-cased; several with the same name are joined by commas.
// Cookies have a separate field.
func headers(r *http.Request, now time.Time) map[string]string {
	m := make(map[string]string, len(r.Header)+5)
	for name, values := range r.Header {
		if name != "Cookie" {
			m[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	m["host"] = r.Host
	if r.ContentLength >= 0 && m["content-length"] == "" {
		m["content-length"] = fmt.Sprint(r.ContentLength)
	}
	source := sourceIP(r)
	if before := m["x-forwarded-for"]; before != "" {
		source = before + ", " + source
	}
	m["x-forwarded-for"] = source
	m["x-forwarded-proto"] = "http"
	m["x-forwarded-port"] = "80"
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		m["x-forwarded-port"] = port
	}
	if m["x-amzn-trace-id"] == "" {
		m["x-amzn-trace-id"] = fmt.Sprintf("Root=1-%08x-%08x%016x", now.Unix(), rand.Uint32(), rand.Uint64())
	}
	return m
}

// queryParameters decodes the query; several of one name are joined by commas.
func queryParameters(query string) map[string]string {
	if query == "" {
		return nil
	}
	values, _ := url.ParseQuery(query) // malformed parts are left out
	m := make(map[string]string, len(values))
	for name, list := range values {
		m[name] = strings.Join(list, ",")
	}
	return m
}

// isText reports whether API Gateway passes a body unchanged: only text/* and
// three application types, not forms or a missing type. Text that is not UTF-8
// is passed as base64, so that the function gets its bytes.
func isText(contentType string, body []byte) bool {
	if len(body) == 0 {
		return true
	}
	if contentType != "application/json" {
		kind, _, err := mime.ParseMediaType(contentType)
		if err != nil {
			return false
		}
		switch kind {
		case "application/json", "application/javascript", "application/xml":
		default:
			if !strings.HasPrefix(kind, "text/") {
				return false
			}
		}
	}
	return utf8.Valid(body)
}
