package web

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// An event is read as encoding/json reads it, whatever the request has in it.
func TestDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.String()
		sent := events.APIGatewayV2HTTPRequest{
			Version: "2.0", RouteKey: "$default", RawPath: texts.Draw(t, "path"), RawQueryString: texts.Draw(t, "query"),
			Cookies: rapid.SliceOf(texts).Draw(t, "cookies"), Headers: rapid.MapOf(texts, texts).Draw(t, "headers"),
			QueryStringParameters: rapid.MapOf(texts, texts).Draw(t, "parameters"),
			Body:                  texts.Draw(t, "body"), IsBase64Encoded: rapid.Bool().Draw(t, "encoded"),
		}
		sent.RequestContext.DomainName, sent.RequestContext.RequestID = texts.Draw(t, "domain"), texts.Draw(t, "id")
		sent.RequestContext.HTTP.Method, sent.RequestContext.HTTP.SourceIP = texts.Draw(t, "method"), texts.Draw(t, "source")
		payload, err := json.Marshal(sent)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(payload)
		if err != nil {
			t.Fatal(err)
		}
		var want events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(payload, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(used(want), used(got)); diff != "" {
			t.Fatalf("%s: -want +got:\n%s", payload, diff)
		}
	})
}

// used returns what a request is made of.
func used(e events.APIGatewayV2HTTPRequest) map[string]any {
	if len(e.Headers) == 0 {
		e.Headers = nil
	}
	if len(e.Cookies) == 0 {
		e.Cookies = nil
	}
	c := e.RequestContext
	return map[string]any{
		"path": e.RawPath, "query": e.RawQueryString, "cookies": e.Cookies, "headers": e.Headers, "body": e.Body, "encoded": e.IsBase64Encoded,
		"domain": c.DomainName, "id": c.RequestID, "method": c.HTTP.Method, "source": c.HTTP.SourceIP,
	}
}

// What is no event is an error, not an empty request.
func TestDecodeRefuses(t *testing.T) {
	for _, payload := range []string{``, `[]`, `{"rawPath":1}`, `{"rawPath":"/"`, `{"headers":{"a":1}}`} {
		if event, err := decode([]byte(payload)); err == nil {
			t.Errorf("%s became %+v", payload, event)
		}
	}
	if _, err := decode([]byte(`{"headers":null,"cookies":null,"body":null}`)); err != nil {
		t.Errorf("null: %v", err)
	}
}
