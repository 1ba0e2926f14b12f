package id_test

import (
	"testing"

	"portico/shared/id"
)

// FuzzParse: an id has one text, and every text that is accepted is this one.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "we_", "we_01jdf3z9k2e4nv6xq8r0s1t2v3", "we_7zzzzzzzzzzzzzzzzzzzzzzzzz", "we_80000000000000000000000000", "WE_01jdf3z9k2e4nv6xq8r0s1t2v3", "we_00000000000000000000000000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if endpoint, err := id.Parse[id.WebhookEndpoint](text); err == nil && (endpoint.String() != text || endpoint.IsZero()) {
			t.Errorf("%q is read as %s", text, endpoint)
		}
	})
}
