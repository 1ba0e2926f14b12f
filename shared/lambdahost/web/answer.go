package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

// answer serves an event of payload format 2.0 with handler. The adapter never
// sees what it misreads; the handler gets that as the gateway sent it.
func answer(ctx context.Context, handler http.Handler, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	out, err := httpadapter.NewV2(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		complete(r, event)
		one := &reply{ResponseWriter: w}
		handler.ServeHTTP(one, r)
		one.WriteHeader(http.StatusOK) // unless the handler wrote one: without a status the adapter fails
	})).ProxyWithContext(ctx, readable(event))
	if len(out.Cookies) == 0 {
		out.Cookies = nil
	}
	return out, err
}

// readable returns what the adapter cannot fail on, or the gateway would answer
// 5xx: the body and where it comes from. It fails on a path, a host or a method
// that cannot be parsed, and on a body that is not the base64 it claims to be.
func readable(event events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPRequest {
	plain := events.APIGatewayV2HTTPRequest{RawPath: "/", Body: event.Body}
	plain.RequestContext.HTTP.SourceIP = event.RequestContext.HTTP.SourceIP
	if event.IsBase64Encoded {
		if body, err := base64.StdEncoding.DecodeString(event.Body); err == nil {
			plain.Body = string(body)
		}
	}
	return plain
}

// complete gives the request what the adapter did not see. rawPath is already
// decoded. A header keeps its one value, commas included, at which the adapter
// would split it: API Gateway has joined repeated ones, and only the reader
// knows whether a comma separates. The host is the one that the gateway has
// answered for: it decides whose request this is, so no header may.
func complete(r *http.Request, event events.APIGatewayV2HTTPRequest) {
	r.Method = event.RequestContext.HTTP.Method
	r.URL = &url.URL{Path: event.RawPath, RawQuery: event.RawQueryString}
	r.RequestURI = r.URL.RequestURI()
	r.Header = make(http.Header, len(event.Headers)+1)
	for name, value := range event.Headers {
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	if len(event.Cookies) > 0 {
		r.Header["Cookie"] = event.Cookies
	}
	r.Host = event.RequestContext.DomainName
	if r.Host == "" {
		r.Host = r.Header.Get("Host") // a payload that was written by hand
	}
}

// reply keeps the first status, as net/http does, and adds no Content-Type that
// the handler did not choose. The adapter keeps the last, and guesses the type.
type reply struct {
	http.ResponseWriter
	begun bool
}

func (r *reply) WriteHeader(status int) {
	if !r.begun {
		r.begun = true
		r.ResponseWriter.WriteHeader(status)
	}
}

func (r *reply) Write(body []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if r.Header().Get("Content-Type") == "" {
		defer r.Header().Del("Content-Type")
	}
	return r.ResponseWriter.Write(body)
}
