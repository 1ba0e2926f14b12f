package pages_test

import (
	"slices"
	"testing"

	"portico/shared/pages"
)

// Pages below one step of the path share a route; a single one has its own.
func TestRoutes(t *testing.T) {
	t.Parallel()
	got := pages.Routes([]pages.Page{
		{ID: "signIn", Path: "/sign-in", Function: "sign-in"}, {ID: "link", Path: "/sign-in/link", Function: "sign-in"},
		{ID: "callback", Path: "/sign-in/google/callback", Function: "sign-in"}, {ID: "authorize", Path: "/oauth/authorize", Function: "sign-in"},
	})
	want := []pages.Route{{"signIn", "/sign-in", "sign-in"}, {"signInPages", "/sign-in/{page+}", "sign-in"}, {"authorize", "/oauth/authorize", "sign-in"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
