package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// event is a request in payload format 2.0.
type event struct {
	Version               string            `json:"version"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"` // decoded: HTTP APIs do that
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext        requestContext    `json:"requestContext"`
	PathParameters        map[string]string `json:"pathParameters,omitempty"`
	Body                  string            `json:"body,omitempty"`
	IsBase64Encoded       bool              `json:"isBase64Encoded"`
}

type requestContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         httpContext `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	Time         string      `json:"time"`
	TimeEpoch    int64       `json:"timeEpoch"` // ms
}

type httpContext struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

func newEvent(r *http.Request, id string, route *route, parameters map[string]string, body []byte) *event {
	now := time.Now().UTC()
	domain := r.Host
	if host, _, err := net.SplitHostPort(domain); err == nil {
		domain = host
	}
	prefix, _, _ := strings.Cut(domain, ".")
	e := &event{
		Version:               "2.0",
		RouteKey:              route.key,
		RawPath:               r.URL.Path,
		RawQueryString:        r.URL.RawQuery,
		Headers:               headers(r, now),
		QueryStringParameters: queryParameters(r.URL.RawQuery),
		PathParameters:        parameters,
		RequestContext: requestContext{
			AccountID: "000000000000", APIID: "local", DomainName: domain, DomainPrefix: prefix,
			HTTP: httpContext{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: sourceIP(r), UserAgent: r.UserAgent(),
			},
			RequestID: id, RouteKey: route.key, Stage: "$default",
			Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
		},
	}
	for _, line := range r.Header["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			e.Cookies = append(e.Cookies, strings.TrimSpace(cookie))
		}
	}
	if isText(r.Header.Get("Content-Type"), body) {
		e.Body = string(body)
	} else {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}

func (e *event) encode() []byte {
	var out bytes.Buffer
	out.Grow(len(e.Body) + len(e.Body)/8 + 1024)
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(e) // strings and maps of strings always encode
	return out.Bytes()
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
