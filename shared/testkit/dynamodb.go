package testkit

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// DynamoDBThrough returns a client of the DynamoDB at endpoint, through a proxy. Each
// call is first shown to fails, by its name, such as PutItem, and its body. If fails
// returns true, the call does not reach DynamoDB, and the client does not repeat it.
func DynamoDBThrough(t testing.TB, endpoint string, fails func(call, body string) bool) *dynamodb.Client {
	t.Helper()
	to, err := url.Parse(endpoint)
	Must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if err != nil || fails(call, string(body)) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	config := AWS(server.URL)
	config.RetryMaxAttempts = 1
	return dynamodb.NewFromConfig(config)
}
