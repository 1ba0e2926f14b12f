package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRenderGolden: routes are sorted whatever the order of the registry, path parameters are declared, a folder's
// name becomes the function's logical id, and $default is last. API Gateway may call each function that has a route.
func TestRenderGolden(t *testing.T) {
	ops := []op{
		{"publishEvent", "POST", "/v1/events", "publish"},
		{"getWebhookEndpoint", "GET", "/v1/webhook-endpoints/{id}", "webhook-endpoints"},
		{"updateWebhookEndpoint", "PATCH", "/v1/webhook-endpoints/{id}", "webhook-endpoints"},
		{"listEvents", "GET", "/v1/events", "events"},
	}
	routes, err := render(ops)
	if err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string][]byte{"api.yaml": routes, "invoke.yaml": renderInvoke(ops)} {
		want, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		ops  []op
		want string
	}{
		"two operations on one route": {
			[]op{{"a", "GET", "/v1/x", "x"}, {"b", "GET", "/v1/x", "y"}},
			"a and b both claim GET /v1/x",
		},
		"a path without a slash":          {[]op{{"a", "GET", "v1/x", "x"}}, "begins with /"},
		"an operation without a function": {[]op{{"a", "GET", "/v1/x", ""}}, "lacks"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render(c.ops)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want one that says %q", err, c.want)
			}
		})
	}
}
