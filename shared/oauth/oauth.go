// Package oauth is Portico's authorization server (OAuth 2.0): the apps that people let
// into their organization, and the tokens with which these call the API. docs/oauth.md
// describes it.
//
// A grant is one item of the DynamoDB table Identity. All its tokens are derived from the
// item's seed and generation, so a token is never stored, and one write takes all away.
package oauth

import (
	"fmt"
	"time"
)

const (
	codeFor    = time.Minute
	accessFor  = time.Hour
	identFor   = time.Hour            // an ID token
	refreshFor = 30 * 24 * time.Hour  // without being used
	grantFor   = 180 * 24 * time.Hour // however often it is used
	// grace is how long the refresh token before still gives its successor, so that a
	// lost reply or a second tab does not log people out.
	grace = 30 * time.Second
)

// Error is an error of RFC 6749, as the app's developer sees it.
type Error struct{ Code, Description string }

func (e Error) Error() string { return fmt.Sprintf("oauth: %s: %s", e.Code, e.Description) }

// The codes of errors.
const (
	InvalidRequest       = "invalid_request"
	InvalidClient        = "invalid_client"
	InvalidGrant         = "invalid_grant"
	InvalidScope         = "invalid_scope"
	InvalidTarget        = "invalid_target" // RFC 8707
	UnauthorizedClient   = "unauthorized_client"
	UnsupportedGrantType = "unsupported_grant_type"
	UnsupportedResponse  = "unsupported_response_type"
	AccessDenied         = "access_denied"
	LoginRequired        = "login_required"     // OpenID Connect Core, section 3.1.2.6
	ConsentRequired      = "consent_required"   // the same
	InvalidToken         = "invalid_token"      // RFC 6750
	InsufficientScope    = "insufficient_scope" // the same
)

// Revoked is the error for a token of a grant that somebody has taken away.
type Revoked struct {
	Grant Grant
	Why   Why
}

func (e Revoked) Error() string { return fmt.Sprintf("oauth: the grant was revoked: %s", e.Why) }

// Why is why a grant was revoked.
type Why string

// The reasons.
const (
	ByPerson Why = "revoked" // by the person or somebody else of the organization
	ByClient Why = "app"     // by the app itself
	Reused   Why = "reused"  // a code or refresh token was used again: it may have been stolen
	All      Why = "all"     // the person has ended all sessions, or has a new password
)
