package lambdahost

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"

	"github.com/aws/aws-lambda-go/events"
)

// request builds the HTTP request behind a payload of format 2.0. Nothing that
// the gateway lets through can fail here, or it would be a failed invocation
// and a 5xx. rawPath is already decoded. A header keeps its one value, commas
// included: API Gateway has joined repeated ones, and only the reader knows
// whether a comma separates. The host is the one that the gateway has answered
// for: it decides whose request this is, so no header may.
func request(ctx context.Context, event events.APIGatewayV2HTTPRequest) *http.Request {
	body := []byte(event.Body)
	if event.IsBase64Encoded {
		if decoded, err := base64.StdEncoding.DecodeString(event.Body); err == nil {
			body = decoded
		}
	}
	target := &url.URL{Path: event.RawPath, RawQuery: event.RawQueryString}
	header := make(http.Header, len(event.Headers)+1)
	for name, value := range event.Headers {
		header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	if len(event.Cookies) > 0 {
		header["Cookie"] = event.Cookies
	}
	host := event.RequestContext.DomainName
	if host == "" {
		host = header.Get("Host") // a payload that was written by hand
	}
	r := &http.Request{
		Method: event.RequestContext.HTTP.Method, URL: target, RequestURI: target.RequestURI(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Host: host, RemoteAddr: event.RequestContext.HTTP.SourceIP,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	return r.WithContext(ctx)
}
