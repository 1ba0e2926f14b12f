package token_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/pages/token"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// newKey makes an API key of an organization.
func (b *bench) newKey(org id.Org, permissions ...auth.Permission) (plain string) {
	b.t.Helper()
	plain = apikey.Generate()
	hash, err := apikey.Parse(plain)
	testkit.Must(b.t, err)
	now := b.db.Clock.Now()
	k := apikey.APIKey{ID: id.New[id.APIKey](now), Name: "key", KeyStart: apikey.Start(plain), Permissions: permissions, CreatedAt: now}
	b.db.InOrg(b.t, org, func(ctx context.Context, tx pg.Tx) error { return apikey.Insert(ctx, tx, org, k, hash) })
	return plain
}

// introspect asks with an API key what a token is worth.
func (b *bench) introspect(key, text string) (status int, challenge, body string) {
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, token.IntrospectPath, strings.NewReader(url.Values{"token": {text}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w.Code, w.Header().Get("WWW-Authenticate"), strings.TrimSpace(w.Body.String())
}

// O12: an API key with the permission learns what the tokens of all apps are worth that act in
// its organization, and nothing of others.
func TestIntrospectByAPIKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "hash")
	b.handler.Keys = apikey.NewProjection(client, table, b.db.App, b.db.Clock)
	b.handler.Addresses = nil // of other tests
	app, _ := b.register(oauth.Web)
	var of id.OAuthClient
	testkit.Must(t, of.UnmarshalText([]byte(app)))
	own := testkit.Value[id.Org](t, b.db, `SELECT org_id FROM oauth_client WHERE id = $1`, of)
	tokens, err := b.handler.Desk.Grants.Issue(t.Context(), &oauth.Grant{Client: of, Org: own, Scopes: []string{"events:read"}, Resource: b.handler.Desk.Resource})
	testkit.Must(t, err)
	right, other, narrow := b.newKey(own, auth.OAuthClientsRead), b.newKey(b.db.NewOrg(t), auth.OAuthClientsRead), b.newKey(own, auth.EventsRead)
	const nothing = `{"active":false}`
	for name, one := range map[string]struct {
		key, token string
		status     int
		challenge  string
		body       string
	}{
		"own":                {right, tokens.Access, 200, "", `"client_id":"` + app + `"`},
		"junk":               {right, "pto_x", 200, "", nothing},
		"no token":           {right, "", 200, "", nothing},
		"another":            {other, tokens.Access, 200, "", nothing},
		"without permission": {narrow, tokens.Access, 403, `Bearer error="insufficient_scope"`, "insufficient_scope"},
		"an unknown key":     {apikey.Generate(), tokens.Access, 401, `Bearer error="invalid_token"`, "invalid_token"},
		"no key":             {"ptc_x", tokens.Access, 401, `Bearer error="invalid_token"`, "invalid_token"},
		"the token itself":   {tokens.Access, tokens.Access, 401, `Bearer error="invalid_token"`, "invalid_token"},
	} {
		status, challenge, body := b.introspect(one.key, one.token)
		if status != one.status || !strings.HasPrefix(challenge, one.challenge) || !strings.Contains(body, one.body) || one.body == nothing && body != nothing {
			t.Errorf("%s: %d %s %s", name, status, challenge, body)
		}
	}
	b.db.Exec(t, `DELETE FROM oauth_client`)
	b.handler.Desk.Clients = oauth.NewClients(b.db.App, b.db.Clock)
	if _, _, body := b.introspect(right, tokens.Access); body != nothing {
		t.Errorf("of an app that is gone: %s", body)
	}
}
