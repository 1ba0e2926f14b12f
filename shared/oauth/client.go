package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/secret"
)

// The kinds of apps.
const (
	Web    = "web"    // runs on a server, and keeps a secret
	Native = "native" // runs on people's devices or in their browsers, and has no secret
)

// Client is an app, as an organization has registered it.
type Client struct {
	ID           id.OAuthClient
	Name         string
	Kind         string
	RedirectURIs []string
	Permissions  []auth.Permission // the most that it may be granted
	Published    bool              // other organizations may let it in
	SecretHash   []byte            // SHA-256; nil: a native app
	// OldSecretHash is that of the secret before, which works until OldSecretEndsAt.
	OldSecretHash   []byte
	OldSecretEndsAt *time.Time
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

const secretPrefix = "pts_"

// newSecret gives an app a new secret and returns it; only its hash is stored. It has 256
// random bits, so it needs no salt.
func (c *Client) newSecret() (plain string) {
	plain = secretPrefix + secret.NewToken().Text()
	c.SecretHash = hashOf(plain)
	return plain
}

func hashOf(plain string) []byte {
	sum := sha256.Sum256([]byte(plain))
	return sum[:]
}

// Register completes a new app and returns its secret; "": it has none.
func (c *Client) Register(now time.Time) (plain string) {
	c.ID, c.CreatedAt, c.UpdatedAt = id.New[id.OAuthClient](now), now, now
	if c.Kind == Web {
		plain = c.newSecret()
	}
	return plain
}

// RotateSecret gives an app a new secret and returns it. The one before works for the
// overlap; the one before that works no more.
func (c *Client) RotateSecret(overlap time.Duration, now time.Time) (plain string, err error) {
	if c.Kind != Web {
		return "", ErrNoSecret
	}
	end := now.Add(overlap)
	c.OldSecretHash, c.OldSecretEndsAt, c.UpdatedAt = c.SecretHash, &end, now
	return c.newSecret(), nil
}

// HasSecret reports whether a text is a secret of the app now.
func (c Client) HasSecret(plain string, now time.Time) bool {
	hash := hashOf(plain)
	is := func(stored []byte) bool { return subtle.ConstantTimeCompare(hash, stored) == 1 }
	return is(c.SecretHash) || c.OldSecretEndsAt != nil && now.Before(*c.OldSecretEndsAt) && is(c.OldSecretHash)
}

// MaxRedirectURIs is how many an app may have.
const MaxRedirectURIs = 20

// loopback is a redirect URI of a native app that listens on the device itself.
var loopback = regexp.MustCompile(`^(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?(/.*)?$`)

// Redirects reports whether people may be led to a redirect URI. It is compared as text;
// of a native app's loopback address the port is free (RFC 8252, section 7.3).
func (c Client) Redirects(to string) bool {
	if slices.Contains(c.RedirectURIs, to) {
		return true
	}
	parts := loopback.FindStringSubmatch(to)
	return c.Kind == Native && parts != nil && slices.ContainsFunc(c.RedirectURIs, func(known string) bool {
		own := loopback.FindStringSubmatch(known)
		return own != nil && own[1] == parts[1] && own[2] == parts[2]
	})
}

// checkRedirect returns what is wrong with a redirect URI, or "".
func checkRedirect(kind, text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || !u.IsAbs() || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "must be an absolute URI of printable ASCII characters"
	case strings.Contains(text, "#"), u.User != nil, strings.Contains(text, "*"):
		return "must have no fragment, user or wildcard"
	case u.Scheme == "https" && u.Hostname() != "":
		return ""
	case kind == Web:
		return "must begin with https://"
	case loopback.MatchString(text), strings.Contains(u.Scheme, "."):
		return ""
	}
	return "must begin with https://, http://127.0.0.1/, http://[::1]/, or a scheme with a dot such as com.example.app:"
}

// CheckRedirects returns an error for each redirect URI that an app of a kind may not have.
func CheckRedirects(kind string, list []string) error {
	var faults []error
	for i, text := range list {
		if wrong := checkRedirect(kind, text); wrong != "" {
			faults = append(faults, fault.InvalidField(fmt.Sprintf("redirect_uris[%d]", i), wrong))
		}
	}
	return fault.Join(faults...)
}

// mayActIn reports whether the app can be let into an organization.
func (c Registered) mayActIn(org id.Org) bool { return c.Published || c.Org == org }

// Registered is an app with the organization that has registered it.
type Registered struct {
	Client
	Org id.Org
}

// Allows reports whether an app may ask for a scope.
func (c Client) Allows(scope string) bool {
	return scope == OfflineAccess || slices.Contains(About, scope) || slices.Contains(c.Permissions, auth.Permission(scope))
}
