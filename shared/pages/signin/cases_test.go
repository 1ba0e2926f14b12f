package signin_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"portico/shared/auth"
	"portico/shared/oauth"
	"portico/shared/pages/token"
	"portico/shared/testkit"
)

// situation is what an app has before it sends the request of a case: a code that it has not
// redeemed, and the tokens of another grant.
type situation struct {
	*client
	other, native *client
	b             *browser
	code          string
	verifier      string
	got           *oauth2.Token
}

func proofOf(a *client) string { return a.ClientID + ":" + a.ClientSecret }

// form is a request: how the app proves who it is, and the fields.
type form struct {
	proof  string
	fields []string
}

// redeem is the request for tokens with the code, with other fields than usual.
func (s *situation) redeem(changes ...string) form {
	fields := []string{"grant_type", "authorization_code", "code", s.code, "redirect_uri", callback, "code_verifier", s.verifier}
	for i := 0; i < len(changes); i += 2 {
		known := false
		for at := 0; at < len(fields); at += 2 {
			if fields[at] == changes[i] {
				fields[at+1], known = changes[i+1], true
			}
		}
		if !known {
			fields = append(fields, changes[i], changes[i+1])
		}
	}
	return form{proofOf(s.client), fields}
}

func (s *situation) refresh(text string, more ...string) form {
	return form{proofOf(s.client), append([]string{"grant_type", "refresh_token", "refresh_token", text}, more...)}
}

func (s *situation) itself(more ...string) form {
	return form{proofOf(s.client), append([]string{"grant_type", "client_credentials"}, more...)}
}

func (s *situation) ask(text string) form { return form{proofOf(s.client), []string{"token", text}} }

// by is the request with another proof.
func (f form) by(proof string, more ...string) form { return form{proof, append(f.fields, more...)} }

// sends sends a request of a case before the one that counts.
func (s *situation) sends(path string, f form) {
	s.stage.t.Helper()
	if status, code := s.send(path, f.proof, f.fields...); status != http.StatusOK {
		s.stage.t.Fatalf("%s: %d %s", path, status, code)
	}
}

// oauthCase is a request and what RFC 6749, 7009 or 7662 want as the answer: an error's code;
// for a status "active" or "inactive"; "": tokens, or that it was revoked.
type oauthCase struct {
	rule   string // the section of RFC 9700, or another document
	name   string
	before func(*situation)
	path   string
	form   func(*situation) form
	status int
	want   string
	// ends: neither the tokens of before nor the code give anything afterwards.
	ends bool
}

// codeCases are those of the authorization code grant and of PKCE.
var codeCases = []oauthCase{
	{rule: "2.1.1", name: "no verifier", path: token.Path, form: func(s *situation) form { return s.redeem("code_verifier", "") }, status: 400, want: "invalid_grant"},
	{rule: "2.1.1", name: "challenge and verifier do not match", path: token.Path, form: func(s *situation) form { return s.redeem("code_verifier", oauth2.GenerateVerifier()) }, status: 400, want: "invalid_grant"},
	{rule: "RFC 7636, 4.1", name: "the verifier is too short", path: token.Path, form: func(s *situation) form { return s.redeem("code_verifier", "x") }, status: 400, want: "invalid_grant"},
	{rule: "4.1", name: "the redirect URI differs", path: token.Path, form: func(s *situation) form { return s.redeem("redirect_uri", callback+"?") }, status: 400, want: "invalid_grant"},
	{rule: "4.1", name: "no redirect URI", path: token.Path, form: func(s *situation) form { return s.redeem("redirect_uri", "") }, status: 400, want: "invalid_grant"},
	{rule: "4.5", name: "the code of another app", path: token.Path, form: func(s *situation) form { return s.redeem().by(proofOf(s.other)) }, status: 400, want: "invalid_grant"},
	{rule: "4.5", name: "no code", path: token.Path, form: func(s *situation) form { return s.redeem("code", "") }, status: 400, want: "invalid_grant"},
	{rule: "4.5", name: "the code is an access token", path: token.Path, form: func(s *situation) form { return s.redeem("code", s.got.AccessToken) }, status: 400, want: "invalid_grant"},
	{rule: "4.5", name: "the code is used twice", before: func(s *situation) { s.sends(token.Path, s.redeem()) }, path: token.Path, form: func(s *situation) form { return s.redeem() }, status: 400, want: "invalid_grant"},
	{rule: "4.5", name: "the code has ended", before: func(s *situation) { s.stage.clock.Advance(time.Minute) }, path: token.Path, form: func(s *situation) form { return s.redeem() }, status: 400, want: "invalid_grant"},
	{rule: "RFC 8707, 2.2", name: "another resource", path: token.Path, form: func(s *situation) form { return s.redeem("resource", "https://evil.example") }, status: 400, want: "invalid_target"},
	{rule: "RFC 6749, 4.1.3", name: "everything is right", path: token.Path, form: func(s *situation) form { return s.redeem() }, status: 200},
}

// proofCases are those of how an app says who it is.
var proofCases = []oauthCase{
	{rule: "2.5", name: "a wrong secret", path: token.Path, form: func(s *situation) form { return s.redeem().by(s.ClientID + ":" + s.other.ClientSecret) }, status: 401, want: "invalid_client"},
	{rule: "2.5", name: "no secret", path: token.Path, form: func(s *situation) form { return s.redeem().by("", "client_id", s.ClientID) }, status: 401, want: "invalid_client"},
	{rule: "2.5", name: "no app", path: token.Path, form: func(s *situation) form { return s.redeem().by("") }, status: 401, want: "invalid_client"},
	{rule: "2.5", name: "an unknown app", path: token.Path, form: func(s *situation) form { return s.redeem().by("app_01890000000000000000000000:x") }, status: 401, want: "invalid_client"},
	{rule: "2.5", name: "a secret of an app with none", path: token.Path, form: func(s *situation) form { return s.redeem().by(s.native.ClientID + ":x") }, status: 401, want: "invalid_client"},
	{rule: "RFC 6749, 2.3", name: "two proofs", path: token.Path, form: func(s *situation) form { return s.redeem("client_secret", s.ClientSecret) }, status: 400, want: "invalid_request"},
	{rule: "RFC 6749, 2.3", name: "two apps", path: token.Path, form: func(s *situation) form { return s.redeem("client_id", s.other.ClientID) }, status: 400, want: "invalid_request"},
	{rule: "RFC 6749, 3.2", name: "a parameter twice", path: token.Path, form: func(s *situation) form { return s.redeem().by(proofOf(s.client), "code", s.code) }, status: 400, want: "invalid_request"},
	{rule: "RFC 6749, 3.2", name: "a secret in the address", path: token.Path + "?client_secret=x", form: func(s *situation) form { return s.redeem() }, status: 400, want: "invalid_request"},
	{rule: "RFC 6749, 5.2", name: "no grant", path: token.Path, form: func(s *situation) form { return form{proof: proofOf(s.client)} }, status: 400, want: "invalid_request"},
	{rule: "2.4", name: "a password", path: token.Path, form: func(s *situation) form {
		return form{proofOf(s.client), []string{"grant_type", "password", "username", ada, "password", secretText}}
	}, status: 400, want: "unsupported_grant_type"},
	{rule: "2.6", name: "for itself", path: token.Path, form: func(s *situation) form { return s.itself() }, status: 200},
	{rule: "2.6", name: "for itself, without a secret", path: token.Path, form: func(s *situation) form { return s.itself().by("", "client_id", s.native.ClientID) }, status: 400, want: "unauthorized_client"},
	{rule: "2.3", name: "for itself, more than it may", path: token.Path, form: func(s *situation) form { return s.itself("scope", "api_keys:write") }, status: 400, want: "invalid_scope"},
	{rule: "2.3", name: "for itself, for ever", path: token.Path, form: func(s *situation) form { return s.itself("scope", "offline_access") }, status: 400, want: "invalid_scope"},
	{rule: "4.15", name: "for itself, as a person", path: token.Path, form: func(s *situation) form { return s.itself("scope", "openid") }, status: 400, want: "invalid_scope"},
}

// refreshCases are those of the refresh token grant.
var refreshCases = []oauthCase{
	{rule: "RFC 6749, 6", name: "the first time", path: token.Path, form: func(s *situation) form { return s.refresh(s.got.RefreshToken) }, status: 200},
	{rule: "4.14", name: "the token is invalid", path: token.Path, form: func(s *situation) form { return s.refresh("ptr_x") }, status: 400, want: "invalid_grant"},
	{rule: "4.14", name: "the token is changed", path: token.Path, form: func(s *situation) form { return s.refresh(s.got.RefreshToken + "x") }, status: 400, want: "invalid_grant"},
	{rule: "4.14", name: "the token is a code", path: token.Path, form: func(s *situation) form { return s.refresh(s.code) }, status: 400, want: "invalid_grant"},
	{rule: "4.14", name: "the token is an access token", path: token.Path, form: func(s *situation) form { return s.refresh(s.got.AccessToken) }, status: 400, want: "invalid_grant"},
	{rule: "4.14", name: "the app mismatches", path: token.Path, form: func(s *situation) form { return s.refresh(s.got.RefreshToken).by(proofOf(s.other)) }, status: 400, want: "invalid_grant"},
	{rule: "4.14", name: "scopes that grow", path: token.Path, form: func(s *situation) form {
		return s.refresh(s.got.RefreshToken, "scope", "events:read events:write offline_access")
	}, status: 400, want: "invalid_scope"},
	{rule: "2.3", name: "the audience is not allowed", path: token.Path, form: func(s *situation) form { return s.refresh(s.got.RefreshToken, "resource", "https://evil.example") }, status: 400, want: "invalid_target"},
	{rule: "4.14", name: "used again after 30 seconds", before: func(s *situation) {
		s.sends(token.Path, s.refresh(s.got.RefreshToken))
		s.stage.clock.Advance(31 * time.Second)
	}, path: token.Path, form: func(s *situation) form { return s.refresh(s.got.RefreshToken) }, status: 400, want: "invalid_grant", ends: true},
	{rule: "4.14", name: "repeated within 30 seconds", before: func(s *situation) { s.sends(token.Path, s.refresh(s.got.RefreshToken)) }, path: token.Path,
		form: func(s *situation) form { return s.refresh(s.got.RefreshToken) }, status: 200},
	{rule: "4.14", name: "the app is not for this organization any more", before: func(s *situation) {
		s.stage.db.Exec(s.stage.t, `UPDATE oauth_client SET published = false WHERE id = $1`, s.id)
		s.stage.clock.Advance(10 * time.Second)
	}, path: token.Path, form: func(s *situation) form { return s.refresh(s.got.RefreshToken) }, status: 400, want: "invalid_grant", ends: true},
	{rule: "4.14", name: "the app is gone", before: func(s *situation) {
		s.stage.db.Exec(s.stage.t, `DELETE FROM oauth_client WHERE id = $1`, s.id)
		s.stage.clock.Advance(10 * time.Second)
	}, path: token.Path, form: func(s *situation) form { return s.refresh(s.got.RefreshToken) }, status: 401, want: "invalid_client", ends: true},
	{rule: "4.14", name: "the person has taken it away", before: func(s *situation) { s.b.post("/account/apps", "app", s.ClientID) }, path: token.Path,
		form: func(s *situation) form { return s.refresh(s.got.RefreshToken) }, status: 400, want: "invalid_grant", ends: true},
	{rule: "4.14", name: "not used for 30 days", before: func(s *situation) { s.stage.clock.Advance(30 * 24 * time.Hour) }, path: token.Path,
		form: func(s *situation) form { return s.refresh(s.got.RefreshToken) }, status: 400, want: "invalid_grant", ends: true},
	{rule: "4.14", name: "the person has left", before: func(s *situation) { s.stage.db.Exec(s.stage.t, `DELETE FROM member`) }, path: token.Path,
		form: func(s *situation) form { return s.refresh(s.got.RefreshToken) }, status: 400, want: "invalid_grant"},
}

// statusCases are those of revocation and introspection.
var statusCases = []oauthCase{
	{rule: "RFC 7009, 2.1", name: "revoke the access token", path: token.RevokePath, form: func(s *situation) form { return s.ask(s.got.AccessToken) }, status: 200, ends: true},
	{rule: "RFC 7009, 2.1", name: "revoke the refresh token", path: token.RevokePath, form: func(s *situation) form { return s.ask(s.got.RefreshToken) }, status: 200, ends: true},
	{rule: "RFC 7009, 2.1", name: "a hint that is wrong", path: token.RevokePath, form: func(s *situation) form { return s.ask(s.got.AccessToken).by(proofOf(s.client), "token_type_hint", "x") }, status: 200, ends: true},
	{rule: "RFC 7009, 2.1", name: "revoke another app's token", path: token.RevokePath, form: func(s *situation) form { return s.ask(s.got.RefreshToken).by(proofOf(s.other)) }, status: 200},
	{rule: "RFC 7009, 2.2", name: "revoke junk", path: token.RevokePath, form: func(s *situation) form { return s.ask("x") }, status: 200},
	{rule: "RFC 7009, 2.1", name: "revoke nothing", path: token.RevokePath, form: func(s *situation) form { return s.ask("") }, status: 400, want: "invalid_request"},
	{rule: "RFC 7009, 2.1", name: "revoke without a proof", path: token.RevokePath, form: func(s *situation) form { return s.ask(s.got.AccessToken).by("", "client_id", s.ClientID) }, status: 401, want: "invalid_client"},
	{rule: "RFC 7662, 2.2", name: "the status of an access token", path: token.IntrospectPath, form: func(s *situation) form { return s.ask(s.got.AccessToken) }, status: 200, want: "active"},
	{rule: "RFC 7662, 2.2", name: "the status of a refresh token", path: token.IntrospectPath, form: func(s *situation) form { return s.ask(s.got.RefreshToken) }, status: 200, want: "active"},
	{rule: "RFC 7662, 2.2", name: "the status of a code", path: token.IntrospectPath, form: func(s *situation) form { return s.ask(s.code) }, status: 200, want: "inactive"},
	{rule: "RFC 7662, 2.2", name: "the status of junk", path: token.IntrospectPath, form: func(s *situation) form { return s.ask("x") }, status: 200, want: "inactive"},
	{rule: "RFC 7662, 4", name: "the status of another app's token", path: token.IntrospectPath, form: func(s *situation) form { return s.ask(s.got.AccessToken).by(proofOf(s.other)) }, status: 200, want: "inactive"},
	{rule: "RFC 7662, 4", name: "the status without a proof", path: token.IntrospectPath, form: func(s *situation) form { return s.ask(s.got.AccessToken).by("", "client_id", s.ClientID) }, status: 401, want: "invalid_client"},
	{rule: "RFC 7662, 2.1", name: "the status for an app that has no secret", path: token.IntrospectPath, form: func(s *situation) form { return s.ask(s.got.AccessToken).by("", "client_id", s.native.ClientID) }, status: 401, want: "invalid_client"},
	{rule: "RFC 7662, 2.2", name: "the status of a revoked token", before: func(s *situation) { s.sends(token.RevokePath, s.ask(s.got.RefreshToken)) }, path: token.IntrospectPath,
		form: func(s *situation) form { return s.ask(s.got.AccessToken) }, status: 200, want: "inactive", ends: true},
	{rule: "RFC 7662, 2.2", name: "the status of an access token that has ended", before: func(s *situation) { s.stage.clock.Advance(time.Hour) }, path: token.IntrospectPath,
		form: func(s *situation) form { return s.ask(s.got.AccessToken) }, status: 200, want: "inactive"},
	{rule: "RFC 7662, 2.2", name: "the status of a refresh token after an hour", before: func(s *situation) { s.stage.clock.Advance(time.Hour) }, path: token.IntrospectPath,
		form: func(s *situation) form { return s.ask(s.got.RefreshToken) }, status: 200, want: "active"},
	{rule: "4.14", name: "the status of a refresh token that was replaced", before: func(s *situation) { s.sends(token.Path, s.refresh(s.got.RefreshToken)) }, path: token.IntrospectPath,
		form: func(s *situation) form { return s.ask(s.got.RefreshToken) }, status: 200, want: "inactive"},
}

// O2 to O8, O11 to O13: the attacks and cases of RFC 9700 against the real endpoints, with the
// names that fosite's tests have made known. What is refused uses nothing up.
func TestCases(t *testing.T) {
	t.Parallel()
	for group, cases := range map[string][]oauthCase{"code": codeCases, "proof": proofCases, "refresh": refreshCases, "status": statusCases} {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			b := s.browser()
			b.signUp(ada)
			for _, c := range cases {
				if p := b.get("/account"); p.status == http.StatusSeeOther { // the clock has moved
					b.follow(b.signIn(ada, secretText))
				}
				one := s.situation(b)
				if c.before != nil {
					c.before(one)
				}
				f := c.form(one)
				if status, got := one.send(c.path, f.proof, f.fields...); status != c.status || got != c.want {
					t.Errorf("%s: %s: %d %q, want %d %q", c.rule, c.name, status, got, c.status, c.want)
				}
				if c.ends {
					one.ended(c.name)
				}
				if c.status != http.StatusOK && c.before == nil {
					one.sends(token.Path, one.redeem())
					one.sends(token.Path, one.refresh(one.got.RefreshToken))
					one.works(c.name)
				}
			}
		})
	}
}

func (s *stage) situation(b *browser) *situation {
	s.t.Helper()
	one := &situation{client: s.register(nil), other: s.register(nil), b: b, verifier: oauth2.GenerateVerifier()}
	one.native = s.register(func(c *oauth.Client) { c.Kind = oauth.Native })
	one.got, one.code = one.tokens(b), one.client.code(b, one.verifier)
	return one
}

// ended fails unless neither token gives anything any more, in a process that knows nothing.
func (s *situation) ended(name string) {
	s.stage.t.Helper()
	if _, err := s.stage.process(s.stage.desk.Box).apps.Caller(s.stage.t.Context(), s.got.AccessToken); !errors.Is(err, oauth.ErrToken) {
		s.stage.t.Errorf("%s: the access token: %v", name, err)
	}
	f := s.refresh(s.got.RefreshToken)
	if status, code := s.send(token.Path, f.proof, f.fields...); status == http.StatusOK {
		s.stage.t.Errorf("%s: the refresh token: %d %s", name, status, code)
	}
}

// works fails unless the app may still do what the person has allowed.
func (s *situation) works(name string) {
	s.stage.t.Helper()
	caller, err := s.stage.process(s.stage.desk.Box).apps.Caller(s.stage.t.Context(), s.got.AccessToken)
	if err != nil || len(caller.Scope) != 1 || caller.Scope[0] != auth.EventsRead {
		s.stage.t.Errorf("%s: the access token: %+v %v", name, caller, err)
	}
}

// What a code has given ends when it is used again (RFC 9700, section 4.5).
func TestReusedCodeEndsTokens(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	b.signUp(ada)
	v := oauth2.GenerateVerifier()
	code := a.code(b, v)
	got, err := a.Exchange(t.Context(), code, oauth2.VerifierOption(v))
	testkit.Must(t, err)
	if _, err := a.Exchange(t.Context(), code, oauth2.VerifierOption(v)); err == nil {
		t.Error("the code works twice")
	}
	(&situation{client: a, got: got}).ended("the code")
	if reason := testkit.Value[string](t, s.db, `SELECT after->>'reason' FROM audit_entry WHERE action = 'oauth_grant.revoke'`); reason != "reused" {
		t.Errorf("the log says %q", reason)
	}
}
