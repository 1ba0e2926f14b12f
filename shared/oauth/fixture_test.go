package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/secret"
	"portico/shared/testkit"
)

const (
	callback = "https://app.example.com/callback"
	resource = "https://api.example.com"
)

var verifier = strings.Repeat("v", 43)

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// bed is a table Identity with a clock for all stores that use it.
type bed struct {
	clock  *clock.Clock
	client *dynamodb.Client
	table  string
	box    *secret.Box
	app    id.OAuthClient
}

// onEach runs a test against each server that tests know.
func onEach(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Parallel()
	for name, endpoint := range testkit.DynamoDBEndpoints(t) {
		t.Run(name, func(t *testing.T) {
			client, table := testkit.SortedTable(t, endpoint)
			test(t, &bed{clock.New(0), client, table, testkit.Box(t), id.New[id.OAuthClient](time.Now())})
		})
	}
}

// store returns a store as a new process has it.
func (b *bed) store() *oauth.Store {
	return oauth.NewStore(dynamo.NewSorted(b.client, b.table, "pk", "sk"), b.box, b.clock)
}

func (b *bed) grant(scopes ...string) *oauth.Grant {
	now := b.clock.Now()
	return &oauth.Grant{
		Client: b.app, Org: id.New[id.Org](now), Member: id.New[id.Member](now), User: id.New[id.User](now),
		Scopes: scopes, Resource: resource, ProvedAt: now, Redirect: callback, Challenge: challenge(verifier),
	}
}

// begun returns the code of a new grant with a refresh token.
func (b *bed) begun(t *testing.T) (code string) {
	t.Helper()
	code, err := b.store().Begin(t.Context(), b.grant("events:read", oauth.OfflineAccess))
	testkit.Must(t, err)
	return code
}

// right is what the app of begun brings.
func (b *bed) right() oauth.Redemption {
	return oauth.Redemption{Client: b.app, Redirect: callback, Verifier: verifier}
}

// redeemed returns the tokens of a new grant.
func (b *bed) redeemed(t *testing.T) oauth.Tokens {
	t.Helper()
	_, tokens, err := b.store().Redeem(t.Context(), b.begun(t), b.right())
	testkit.Must(t, err)
	return tokens
}

func (b *bed) refresh(t *testing.T, s *oauth.Store, token string) (oauth.Tokens, error) {
	t.Helper()
	_, tokens, err := s.Refresh(t.Context(), token, b.app, func(oauth.Grant) error { return nil })
	return tokens, err
}

// works reports whether an access token works in a new process.
func (b *bed) works(t *testing.T, token string) bool {
	t.Helper()
	_, err := b.store().Access(t.Context(), token, resource)
	return err == nil
}
