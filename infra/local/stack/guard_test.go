package stack_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// statusOf sends a request with headers and returns its status.
func statusOf(t *testing.T, method, target, host string, headers ...string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(`{"rawPath":"/"}`))
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// The stack's own pages and services serve only this machine's user: no page of
// another site, neither directly nor through a host name that resolves to this
// machine, and no webhook. The AWS services need this run's secret.
func TestOthersAreKeptOut(t *testing.T) {
	const invoke = "/2015-03-31/functions/portico-api/invocations"
	aws, err := url.Parse(shared.AWSURL)
	if err != nil {
		t.Fatal(err)
	}
	bare := "http://" + aws.Host
	clock := shared.URL + "/_local/clock?offset=0s"
	invocations, err := shared.Stats("api")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, method, url, host string
		headers                 []string
		want                    int
	}{
		{"a page by a name of its own", "GET", shared.URL + "/_local/", "evil.example", nil, 403},
		{"a page by a name that only begins right", "GET", shared.URL + "/_local/mailbox", "127.0.0.1.evil.example:8080", nil, 403},
		{"a page by localhost", "GET", shared.URL + "/_local/", "localhost:8080", nil, 200},
		{"a page by address", "GET", shared.URL + "/_local/", "[::1]:8080", nil, 200},
		{"another site's form", "POST", clock, "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site's form, in an old browser", "POST", clock, "", []string{"Origin", "https://evil.example"}, 403},
		{"the page's own form", "POST", clock, "", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"a program", "POST", clock, "", nil, 200},
		{"a webhook", "POST", clock, "", []string{"Webhook-Id", "evt_1"}, 403},
		{"a webhook to the inbox", "POST", shared.InboxURL(), "", []string{"Webhook-Id", "evt_1"}, 200},
		{"another site to the inbox", "POST", shared.InboxURL(), "", []string{"Webhook-Id", "evt_1", "Origin", "https://evil.example"}, 403},
		{"no secret", "POST", bare + invoke, "", nil, 403},
		{"a wrong secret", "POST", bare + "/AAAAAAAAAAAAAAAAAAAAAAAAAA" + invoke, "", nil, 403},
		{"DynamoDB without the secret", "POST", bare + "/", "", []string{"X-Amz-Target", "DynamoDB_20120810.ListTables"}, 403},
		{"a custom resource's answer without the secret", "PUT", bare + "/_custom/1", "", nil, 403},
		{"the secret by a name of its own", "POST", shared.AWSURL + invoke, "evil.example", nil, 403},
		{"the secret by another site", "POST", shared.AWSURL + invoke, "", []string{"Origin", "https://evil.example"}, 403},
		{"the secret by a webhook", "POST", shared.AWSURL + invoke, "", []string{"Webhook-Id", "evt_1"}, 403},
		{"a question before a page's request", "OPTIONS", bare + "/", "", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 403},
	} {
		if got := statusOf(t, tt.method, tt.url, tt.host, tt.headers...); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if after, err := shared.Stats("api"); err != nil || after.Invocations != invocations.Invocations {
		t.Errorf("somebody invoked the function: %+v, %v", after, err)
	}
	if got := statusOf(t, "POST", shared.AWSURL+invoke, ""); got != 200 {
		t.Errorf("with the secret: %d", got)
	}
}
