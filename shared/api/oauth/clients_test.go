package oauth_test

import (
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/role"
	"portico/shared/testkit"
)

const app = `"name":"Invoices","kind":"web","permissions":["events:read"]`

// Every operation works on the OAuth clients of the caller's own organization; one of
// another organization looks like one that does not exist.
func TestOAuthClients(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	own, foreign := acme.Make("/v1/oauth-clients", `{`+app+`}`), evil.Make("/v1/oauth-clients", `{`+app+`}`)
	native := acme.Make("/v1/oauth-clients", `{"name":"Phone","kind":"native","redirect_uris":["com.example.app:/callback","http://127.0.0.1/callback"],"permissions":[]}`)
	reader, missing := acme.With(auth.OAuthClientsRead), "app_01890000000000000000000000"
	stale := acme.AsMember(acme.NewMember("ada@example.com", role.Owner))
	stale.As.Proved = h.Clock.Now().Add(-time.Hour)
	redirect := func(kind, uri string) string {
		return `{"name":"x","kind":"` + kind + `","permissions":[],"redirect_uris":["` + uri + `"]}`
	}
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"get own", "GET", own, "", acme, `200 "id":"` + own + `" "published":false "redirect_uris":[] "old_secret_ends_at":null !secret":"`},
		{"get missing", "GET", missing, "", acme, `404 oauth_client_not_found`},
		{"get another organization's", "GET", foreign, "", acme, `404 oauth_client_not_found`},
		{"get with another noun's id", "GET", "key_01890000000000000000000000", "", acme, `422 path.id app_`},
		{"list", "GET", "", "", acme, `200 ` + own + ` ` + native + ` !` + foreign},
		{"list with a forged cursor", "GET", "?after=AAAA", "", acme, `422 query.after`},
		{"create with a secret", "POST", "", `{` + app + `,"redirect_uris":["https://a.example.com/cb?x=1"]}`, acme, `201 "client_secret":"pts_`},
		{"create without one", "POST", "", redirect("native", "http://[::1]:8080/cb"), acme, `201 "client_secret":null`},
		{"create without permission", "POST", "", `{` + app + `}`, reader, `403 oauth_clients:write`},
		{"create by somebody who did not just sign in", "POST", "", `{` + app + `}`, stale, `403 reauthentication_required`},
		{"create with more than one has", "POST", "", `{` + app + `}`, acme.With(auth.OAuthClientsWrite), `403 grant_exceeded events:read !pts_`},
		{"create of no kind", "POST", "", `{"name":"x","kind":"spa","permissions":[]}`, acme, `422 body.kind`},
		{"create with no such permission", "POST", "", `{"name":"x","kind":"web","permissions":["events:eat"]}`, acme, `422 body.permissions[0] events:eat`},
		{"redirect without TLS", "POST", "", redirect("web", "http://a.example.com/cb"), acme, `422 body.redirect_uris[0] https://`},
		{"redirect of a web app to the device", "POST", "", redirect("web", "http://127.0.0.1/cb"), acme, `422 body.redirect_uris[0]`},
		{"redirect to localhost", "POST", "", redirect("native", "http://localhost/cb"), acme, `422 body.redirect_uris[0]`},
		{"redirect with a fragment", "POST", "", redirect("web", "https://a.example.com/cb#x"), acme, `422 body.redirect_uris[0] fragment`},
		{"redirect with a user", "POST", "", redirect("web", "https://a@b.example.com/cb"), acme, `422 body.redirect_uris[0]`},
		{"redirect with a wildcard", "POST", "", redirect("web", "https://*.example.com/cb"), acme, `422 body.redirect_uris[0]`},
		{"redirect to a path", "POST", "", redirect("web", "/cb"), acme, `422 body.redirect_uris[0] absolute`},
		{"redirect to script", "POST", "", redirect("native", "javascript:alert(1)"), acme, `422 body.redirect_uris[0]`},
		{"redirect without a host", "POST", "", redirect("web", "https:///cb"), acme, `422 body.redirect_uris[0]`},
		{"change", "PATCH", own, `{"name":"Bills","published":true,"redirect_uris":["https://b.example.com/cb"],"permissions":["events:read","events:write"]}`, acme, `200 "name":"Bills" "published":true "events:write"`},
		{"get what was changed", "GET", own, "", acme, `200 "name":"Bills" https://b.example.com/cb "published":true "events:write"`},
		{"change to a bad redirect", "PATCH", own, `{"redirect_uris":["com.example.app:/cb"]}`, acme, `422 body.redirect_uris[0]`},
		{"change one that has more", "PATCH", own, `{"permissions":[]}`, acme.With(auth.OAuthClientsWrite), `403 grant_exceeded`},
		{"change another organization's", "PATCH", foreign, `{"name":"x"}`, acme, `404 oauth_client_not_found`},
		{"change the kind", "PATCH", own, `{"kind":"native"}`, acme, `422 body.kind`},
		{"rotate", "POST", own + "/rotate-secret", `{"overlap_seconds":60}`, acme, `200 "client_secret":"pts_ "old_secret_ends_at":"`},
		{"rotate one that has more", "POST", own + "/rotate-secret", ``, acme.With(auth.OAuthClientsWrite), `403 grant_exceeded !pts_`},
		{"rotate another organization's", "POST", foreign + "/rotate-secret", ``, acme, `404 oauth_client_not_found !pts_`},
		{"rotate what has none", "POST", native + "/rotate-secret", ``, acme, `409 oauth_client_without_secret`},
		{"delete another organization's", "DELETE", foreign, ``, acme, `404 oauth_client_not_found`},
		{"delete without permission", "DELETE", own, ``, reader, `403 oauth_clients:write`},
		{"delete", "DELETE", own, ``, acme, `204`},
		{"delete again", "DELETE", own, ``, acme, `404 oauth_client_not_found`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := "/v1/oauth-clients"
			if tt.path != "" && tt.path[0] != '?' {
				path += "/"
			}
			apitest.Want(t, tt.as.Do(tt.method, path+tt.path, tt.body), tt.want)
		})
	}
	apitest.Want(t, evil.Do("GET", "/v1/oauth-clients/"+foreign, ""), `200 "name":"Invoices"`)
}

// After a rotation the old secret works until the overlap ends; only hashes are stored.
func TestSecretRotation(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	made := acme.Do("POST", "/v1/oauth-clients", `{`+app+`}`)
	first, path := made.Get(t, "client_secret"), "/v1/oauth-clients/"+made.Get(t, "id")
	second := acme.Do("POST", path+"/rotate-secret", `{"overlap_seconds":60}`).Get(t, "client_secret")
	works := func(secret string) bool {
		var hash [2][]byte
		c := oauth.Client{}
		testkit.Must(t, h.Admin.QueryRow(t.Context(), `SELECT secret_hash, old_secret_hash, old_secret_ends_at FROM oauth_client`).Scan(&hash[0], &hash[1], &c.OldSecretEndsAt))
		c.SecretHash, c.OldSecretHash = hash[0], hash[1]
		return c.HasSecret(secret, h.Clock.Now())
	}
	if !works(first) || !works(second) || works("") || works(first+"x") {
		t.Error("during the overlap not both secrets work, or another one does")
	}
	h.Clock.Advance(time.Minute)
	if works(first) || !works(second) {
		t.Error("after the overlap the old secret works, or the new one does not")
	}
	third := acme.Do("POST", path+"/rotate-secret", `{"overlap_seconds":0}`).Get(t, "client_secret")
	if works(second) || !works(third) {
		t.Error("a secret works after a rotation without overlap")
	}
	if log := acme.Do("GET", "/v1/audit-log", "").Body + h.Lines.String(); strings.Contains(log, first) || strings.Contains(log, third) {
		t.Error("a secret is in the log")
	}
}

// An app calls in a member's name with the member's rights within its scopes, and in its
// own name with its scopes. What is taken from the member or from the app is gone.
func TestAppsCall(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	client := evil.NewApp(`"events:read","events:write","roles:write"`)
	member := acme.NewMember("ada@example.com", role.Developer)
	ofMember := acme.AsApp(client, member, auth.EventsRead, auth.EventsWrite, auth.RolesWrite)
	narrow := acme.AsApp(client, member, auth.EventsRead)
	itself := evil.AsApp(client, "", auth.EventsRead)
	ended := acme.AsApp(client, member, auth.EventsRead)
	junk := acme
	junk.Key = "pto_" + strings.Repeat("A", 86)
	publish := func(c apitest.Caller) apitest.Reply { return c.Publish(`{"type":"a","data":{}}`) }

	apitest.Want(t, publish(ofMember), `202`)
	apitest.Want(t, publish(narrow), `403 permission_missing events:write`)
	apitest.Want(t, narrow.Do("GET", "/v1/events", ""), `200 "type":"a"`)
	apitest.Want(t, ofMember.Do("POST", "/v1/roles", `{"name":"r","permissions":[]}`), `403 permission_missing roles:write`)
	apitest.Want(t, itself.Do("GET", "/v1/events", ""), `200 !"type":"a"`)
	apitest.Want(t, publish(itself), `403 permission_missing`)
	apitest.Want(t, junk.Do("GET", "/v1/events", ""), `401 access_token_invalid`)

	apitest.Want(t, evil.Do("PATCH", "/v1/oauth-clients/"+client.String(), `{"permissions":["events:read"]}`), `200`)
	h.Clock.Advance(10 * time.Second)
	apitest.Want(t, publish(ofMember), `403 permission_missing events:write`)
	apitest.Want(t, ofMember.Do("GET", "/v1/events", ""), `200`)
	apitest.Want(t, evil.Do("PATCH", "/v1/oauth-clients/"+client.String(), `{"published":false}`), `200`)
	h.Clock.Advance(10 * time.Second)
	apitest.Want(t, ofMember.Do("GET", "/v1/events", ""), `401 access_token_invalid`)
	apitest.Want(t, itself.Do("GET", "/v1/events", ""), `200`)
	apitest.Want(t, evil.Do("PATCH", "/v1/oauth-clients/"+client.String(), `{"published":true}`), `200`)
	h.Clock.Advance(10 * time.Second)
	apitest.Want(t, ofMember.Do("GET", "/v1/events", ""), `200`)
	apitest.Want(t, acme.Do("DELETE", "/v1/members/"+member, ""), `204`)
	h.Clock.Advance(10 * time.Second)
	apitest.Want(t, ofMember.Do("GET", "/v1/events", ""), `401 member_removed`)
	h.Clock.Advance(time.Hour)
	apitest.Want(t, ended.Do("GET", "/v1/events", ""), `401 access_token_invalid`)
}

// A grant that is revoked, and an app that is deleted, end in two environments within ten
// seconds.
func TestAccessIsTakenAway(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	var client id.OAuthClient
	member := acme.NewMember("ada@example.com", role.Developer)
	staff := h.NewStaff()
	for name, take := range map[string]func(grant string){
		"grant": func(grant string) { apitest.Want(t, acme.Do("DELETE", "/v1/oauth-grants/"+grant, ""), `204`) },
		"app":   func(string) { apitest.Want(t, acme.Do("DELETE", "/v1/oauth-clients/"+client.String(), ""), `204`) },
		"organization": func(string) {
			apitest.Want(t, staff.Do("DELETE", "/v1/organizations/"+evil.Org.String(), ""), `202`)
		},
	} {
		client = acme.NewApp(`"events:read"`)
		if name == "organization" {
			client = evil.NewApp(`"events:read"`)
		}
		here, grant := acme.AsGranted(client, member, auth.EventsRead)
		there := here.Environment(apitest.Never)
		for _, c := range []apitest.Caller{here, there} {
			apitest.Want(t, c.Do("GET", "/v1/events", ""), `200`)
		}
		take(grant.String())
		h.Clock.Advance(10 * time.Second)
		for _, c := range []apitest.Caller{here, there} {
			apitest.Want(t, c.Do("GET", "/v1/events", ""), `401 access_token_invalid`)
		}
	}
}

// An app acts on the account of a person who has let it, in the organization that the
// person has chosen; without that it does not, and it never does for itself.
func TestAppOfAPerson(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	client := acme.NewApp(`"events:read","self"`)
	member := acme.NewMember("ada@example.com", role.Viewer)
	session := acme.SignIn(member)
	app := acme.AsApp(client, member, auth.Self)
	apitest.Want(t, app.Do("GET", "/v1/me", ""), `200 "email":"ada@example.com" "organization_id":"`+acme.Org.String()+`"`)
	apitest.Want(t, app.Do("DELETE", "/v1/me/sessions/"+session.String(), ""), `204`)
	apitest.Want(t, acme.AsApp(client, member, auth.EventsRead).Do("GET", "/v1/me", ""), `403 person_only`)
	apitest.Want(t, acme.AsApp(client, "", auth.Self).Do("GET", "/v1/me", ""), `403 person_only`)
	apitest.Want(t, acme.Do("POST", "/v1/api-keys", `{"name":"x","permissions":["self"]}`), `422 body.permissions[0]`)
}

// Grants are listed and revoked by those of the organization that the app was let into.
func TestOAuthGrants(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	client := evil.NewApp(`"events:read"`)
	_, grant := acme.AsGranted(client, acme.NewMember("ada@example.com", role.Developer), auth.EventsRead)
	path := "/v1/oauth-grants/" + grant.String()
	apitest.Want(t, acme.Do("GET", "/v1/oauth-grants", ""), `200 `+grant.String()+` `+client.String()+` "revoked_at":null`)
	apitest.Want(t, evil.Do("GET", "/v1/oauth-grants", ""), `200 !`+grant.String())
	apitest.Want(t, evil.Do("DELETE", path, ""), `404 oauth_grant_not_found`)
	apitest.Want(t, acme.With(auth.OAuthClientsRead).Do("DELETE", path, ""), `403 oauth_clients:write`)
	apitest.Want(t, acme.Do("DELETE", path, ""), `204`)
	apitest.Want(t, acme.Do("DELETE", path, ""), `204`)
	apitest.Want(t, acme.Do("GET", "/v1/oauth-grants", ""), `200 "revoked_at":"`)
}

// Every 401 says where the API describes how to get a token.
func TestChallengeNamesMetadata(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	for key, more := range map[string]string{"": "", "ptc_x": "", "pto_x": `, error="invalid_token"`} {
		r := (apitest.Caller{Harness: h, Key: key}).Do("GET", "/v1/events", "")
		if got := r.Header.Get("WWW-Authenticate"); r.Status != 401 || got != metadata+more {
			t.Errorf("%q: %d %s", key, r.Status, got)
		}
	}
}

const metadata = `Bearer resource_metadata="` + apitest.Resource + `/.well-known/oauth-protected-resource"`

// What needs a recent proof, an app may do in the name of a member who has signed in lately.
// Later it learns that they must do so again (RFC 9470); an API key is told nothing.
func TestAppNeedsRecentSignIn(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	app := acme.AsApp(acme.NewApp(`"oauth_clients:write"`), acme.NewMember("ada@example.com", role.Owner), auth.OAuthClientsWrite)
	const body = `{"name":"Bills","kind":"native","redirect_uris":["com.example.app:/callback"],"permissions":[]}`
	apitest.Want(t, app.Do("POST", "/v1/oauth-clients", body), `201`)
	h.Clock.Advance(11 * time.Minute)
	r := app.Do("POST", "/v1/oauth-clients", body)
	apitest.Want(t, r, `403 reauthentication_required`)
	if got := r.Header.Get("WWW-Authenticate"); got != metadata+`, error="insufficient_user_authentication", max_age=600` {
		t.Errorf("the challenge: %s", got)
	}
	if got := app.Do("GET", "/v1/events", "").Header.Get("WWW-Authenticate"); got != "" {
		t.Errorf("without the permission: %s", got)
	}
}

// What an app does for a member has both in the audit log, and its hash covers both: what
// was done, was refused and was read. What it does for itself, and what a member does, names
// nobody else.
func TestAuditNamesForWhom(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	apitest.Want(t, acme.Do("PATCH", "/v1/organization", `{"settings":{"record_reads":true}}`), `200`)
	client := acme.NewApp(`"webhook_endpoints:write","events:read"`)
	member, other := acme.NewMember("ada@example.com", role.Developer), acme.NewMember("bob@example.com", role.Developer)
	const endpoint = `{"url":"https://example.com/hook","event_types":["*"]}`
	forAda := acme.AsApp(client, member, auth.WebhookEndpointsWrite, auth.EventsRead)
	made := forAda.Make("/v1/webhook-endpoints", endpoint)
	h.Clock.Advance(10 * time.Second)
	apitest.Want(t, forAda.Do("GET", "/v1/events", ""), `200`)
	apitest.Want(t, forAda.Do("POST", "/v1/api-keys", `{"name":"x","permissions":[]}`), `403 permission_missing`)
	acme.AsApp(client, other, auth.WebhookEndpointsWrite).Make("/v1/webhook-endpoints", endpoint)
	own := acme.AsApp(client, "", auth.WebhookEndpointsWrite).Make("/v1/webhook-endpoints", endpoint)
	directly := acme.AsMember(member).Make("/v1/webhook-endpoints", endpoint)

	behalf := `"actor":{"type":"oauth_client","id":"` + client.String() + `"`
	r := acme.Do("GET", "/v1/audit-log?target_id="+member, "")
	apitest.Want(t, r, `200 `+behalf+` "on_behalf_of":{"type":"member","id":"`+member+`"} "targets":[{"type":"webhook_endpoint","id":"`+made+`"}] "webhook_endpoint.create" "event.read" "api_key.create" "outcome":"failure" !`+other)
	if n := strings.Count(r.Body, `"on_behalf_of":{`); n != 3 {
		t.Errorf("%d entries: %s", n, r.Body)
	}
	for _, id := range []string{own, directly} {
		apitest.Want(t, acme.Do("GET", "/v1/audit-log?target_id="+id, ""), `200 "on_behalf_of":null "targets":[{"type":"webhook_endpoint","id":"`+id+`"}]`)
	}
	apitest.Want(t, acme.Do("GET", "/v1/audit-log/verify", ""), `200 "fault":null`)
}
