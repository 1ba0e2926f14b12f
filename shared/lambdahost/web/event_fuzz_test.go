package web

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// FuzzDecode: an event is read as encoding/json reads it, or refused as there.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		payload, `{}`, `{"rawPath":"/\u00fc","headers":{"a":"\ud800"}}`, `{"headers":{"a":"1","a":"2"},"cookies":["a"],"cookies":["b"]}`, `{"requestContext":{"http":{"method":"GET"}},"requestContext":{"requestId":"1"}}`,
		`{"RAWPATH":"/","isBase64Encoded":true}`, `{"rawPath":null,"body":null,"headers":null}`, `{"stageVariables":[}`, `{"x":tru}`, `{"x":1.}`, `{"x":"` + "\x01" + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := decode(text)
		var want events.APIGatewayV2HTTPRequest
		if json.Unmarshal(text, &want) != nil || !plain(text) {
			return
		}
		if err != nil {
			t.Fatalf("%q is refused: %v", text, err)
		}
		if diff := cmp.Diff(used(want), used(got)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", text, diff)
		}
	})
}

// plain reports whether names are as the gateway writes them: each once in its object,
// and none in other cases than ours, for which encoding/json has rules of its own.
func plain(text []byte) bool {
	var value any
	if json.Unmarshal(text, &value) != nil {
		return false
	}
	once, err := json.Marshal(value)
	return err == nil && bytes.Count(once, []byte(`":`)) == bytes.Count(bytes.ReplaceAll(text, []byte(" "), nil), []byte(`":`)) && !regexp.MustCompile(`(?i)"(rawpath|rawquerystring|cookies|headers|requestcontext|body|isbase64encoded|domainname|requestid|http|method|sourceip)"`).
		Match(regexp.MustCompile(`"(rawPath|rawQueryString|cookies|headers|requestContext|body|isBase64Encoded|domainName|requestId|http|method|sourceIp)"`).ReplaceAll(once, nil))
}
