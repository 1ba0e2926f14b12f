package oauth

import (
	"slices"
	"strings"

	"portico/shared/auth"
)

// The scopes that are no permissions.
const (
	OfflineAccess = "offline_access" // the app gets a refresh token
	OpenID        = "openid"         // the app gets an ID token, which says who the person is for it
	Profile       = "profile"        // the app learns the person's name
	Email         = "email"          // and their address
)

// About are the scopes that say what an app learns of the person.
var About = []string{OpenID, Profile, Email}

// Scopes lists all that exist, sorted.
func Scopes() []string {
	all := append([]string{OfflineAccess}, About...)
	for p := range auth.Scopes() {
		all = append(all, string(p))
	}
	return ordered(all)
}

// ordered returns a sorted copy without duplicates.
func ordered(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// HasScope reports whether the grant has a scope.
func (g Grant) HasScope(scope string) bool { return slices.Contains(g.Scopes, scope) }

// Permissions returns the scopes that are permissions, never nil.
func (g Grant) Permissions() auth.Set {
	list := auth.Set{}
	for _, scope := range g.Scopes {
		if auth.Scopes()[auth.Permission(scope)] != "" {
			list = append(list, auth.Permission(scope))
		}
	}
	return list
}

// Scope returns the scopes as RFC 6749 writes them.
func (g Grant) Scope() string { return strings.Join(g.Scopes, " ") }
