package sso_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"portico/infra/local/samlidp"
	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/sso"
	"portico/shared/testkit"
)

const (
	okta  = `"type":"oidc","name":"Okta","issuer":"https://idp.example.com","client_id":"c","client_secret":"canary-of-a-secret"`
	entra = `"type":"saml","name":"Entra"`
)

// verified gives an organization a verified domain.
func verified(c apitest.Caller, name string) {
	c.T.Helper()
	path := "/v1/domains/" + c.Make("/v1/domains", `{"name":"`+name+`"}`)
	c.Prove(path)
	apitest.Want(c.T, c.Do("POST", path+"/verify", ""), `200 "status":"verified"`)
}

// Every operation works on the connections of the caller's own organization; one of another
// organization looks like one that does not exist. No answer has the secret.
func TestConnections(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	const path = "/v1/sso-connections"
	own, foreign := acme.Make(path, `{`+okta+`}`), evil.Make(path, `{`+entra+`}`)
	saml := acme.Make(path, `{`+entra+`}`)
	owner := acme.NewMember("ada@example.com", role.Owner)
	viewer := acme.NewMember("eve@example.com", role.Viewer)
	stale := acme.AsMember(owner)
	stale.As.Proved = h.Clock.Now().Add(-time.Hour)
	reader := acme.With(auth.SSOConnectionsRead)
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"get", "GET", "/" + own, "", acme, `200 "status":"draft" "has_client_secret":true "default_role":"viewer" "acs_url":null /sign-in/sso/callback !canary`},
		{"get saml", "GET", "/" + saml, "", acme, `200 "issuer":null "certificates":[] "redirect_uri":null /saml/` + saml + `/acs`},
		{"get another organization's", "GET", "/" + foreign, "", acme, `404 sso_connection_not_found`},
		{"list", "GET", "", "", acme, `200 ` + own + ` ` + saml + ` !` + foreign + ` !canary`},
		{"list with a forged cursor", "GET", "?after=AAAA", "", acme, `422 query.after`},
		{"create without permission", "POST", "", `{` + entra + `}`, reader, `403 sso_connections:write`},
		{"create by an admin", "POST", "", `{` + entra + `}`, acme.AsMember(acme.NewMember("admin@example.com", role.Admin)), `403 sso_connections:write`},
		{"create by somebody who did not just sign in", "POST", "", `{` + entra + `}`, stale, `403 reauthentication_required`},
		{"give a role that one could not give", "POST", "", `{` + entra + `,"default_role":"owner"}`, acme.With(auth.SSOConnectionsWrite), `403 grant_exceeded`},
		{"give no such role", "POST", "", `{` + entra + `,"default_role":"king"}`, acme, `422 body.default_role`},
		{"an issuer without TLS", "PATCH", "/" + own, `{"issuer":"http://idp.example.com"}`, acme, `422 body.issuer https://`},
		{"an issuer with a query", "PATCH", "/" + own, `{"issuer":"https://idp.example.com/?a"}`, acme, `422 body.issuer`},
		{"an address of script", "PATCH", "/" + saml, `{"sso_url":"javascript:alert(1)"}`, acme, `422 body.sso_url`},
		{"no certificate", "PATCH", "/" + saml, `{"certificates":["x"]}`, acme, `422 body.certificates[0] PEM`},
		{"a secret of SAML", "PATCH", "/" + saml, `{"client_secret":"x"}`, acme, `422 body.client_secret`},
		{"a certificate of OpenID Connect", "PATCH", "/" + own, `{"certificates":["x"]}`, acme, `422 body.certificates`},
		{"a public suffix", "PATCH", "/" + own, `{"domains":["co.uk"]}`, acme, `422 body.domains[0]`},
		{"a control character", "PATCH", "/" + own, `{"client_id":"a\u0000"}`, acme, `422 body.client_id`},
		{"a break-glass member who is no owner", "PATCH", "/" + own, `{"break_glass_member_id":"` + viewer + `"}`, acme, `422 body.break_glass_member_id owner`},
		{"a break-glass member of nobody", "PATCH", "/" + own, `{"break_glass_member_id":"mem_01890000000000000000000000"}`, acme, `422 body.break_glass_member_id`},
		{"activate what is not complete", "POST", "/" + saml + "/activate", "", acme, `409 sso_connection_incomplete issuer`},
		{"activate without a domain", "POST", "/" + own + "/activate", "", acme, `409 sso_connection_incomplete domains`},
		{"change", "PATCH", "/" + own, `{"name":"IdP","domains":["Corp.Example.com"],"default_role":"developer"}`, acme, `200 "name":"IdP" ["corp.example.com"] "default_role":"developer" !canary`},
		{"activate with a domain that is not verified", "POST", "/" + own + "/activate", "", acme, `409 sso_domain_unverified corp.example.com`},
		{"activate another organization's", "POST", "/" + foreign + "/activate", "", acme, `404 sso_connection_not_found`},
		{"traces", "GET", "/" + own + "/traces", "", acme, `200 "data":[]`},
		{"traces of another organization's", "GET", "/" + foreign + "/traces", "", acme, `404 sso_connection_not_found`},
		{"delete another organization's", "DELETE", "/" + foreign, "", acme, `404 sso_connection_not_found`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, path+tt.path, tt.body), tt.want)
		})
	}
	verified(acme, "corp.example.com")
	apitest.Want(t, acme.Do("PATCH", path+"/"+own, `{"enforced":true}`), `200 "enforced":true`)
	apitest.Want(t, acme.Do("POST", path+"/"+own+"/activate", ""), `409 sso_break_glass_missing`)
	apitest.Want(t, acme.Do("PATCH", path+"/"+own, `{"break_glass_member_id":"`+owner+`"}`), `200 `+owner)
	apitest.Want(t, acme.Do("POST", path+"/"+own+"/activate", ""), `200 "status":"active"`)
	apitest.Want(t, acme.Do("PATCH", path+"/"+own, `{"client_id":""}`), `409 sso_connection_incomplete client_id`)
	second := acme.Make(path, `{`+okta+`,"domains":["corp.example.com"]}`)
	apitest.Want(t, acme.Do("POST", path+"/"+second+"/activate", ""), `409 sso_domain_in_use`)
	apitest.Want(t, acme.Do("POST", path+"/"+own+"/disable", ""), `200 "status":"disabled"`)
	apitest.Want(t, acme.Do("POST", path+"/"+second+"/activate", ""), `200 "status":"active"`)
	apitest.Want(t, acme.Do("DELETE", path+"/"+own, ""), `204`)
	apitest.Want(t, acme.Do("GET", path+"/"+own, ""), `404`)
	if log := acme.Do("GET", "/v1/audit-log?limit=100", "").Body; strings.Contains(log, "canary") || !strings.Contains(log, "sso_connection.activate") {
		t.Errorf("the audit log: %s", log)
	}
}

// A role that a connection gives cannot be deleted.
func TestRoleOfConnectionStays(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	own := acme.Make("/v1/roles", `{"name":"own","permissions":["events:read"]}`)
	connection := acme.Make("/v1/sso-connections", `{`+entra+`,"default_role":"`+own+`"}`)
	apitest.Want(t, acme.Do("DELETE", "/v1/roles/"+own, ""), `409 role_in_use`)
	apitest.Want(t, acme.Do("DELETE", "/v1/sso-connections/"+connection, ""), `204`)
	apitest.Want(t, acme.Do("DELETE", "/v1/roles/"+own, ""), `204`)
}

// A trace keeps nothing by which a person is known, a connection keeps a bounded number of
// them, and the upkeep deletes those that are older than 30 days.
func TestTraces(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	connection := acme.Make("/v1/sso-connections", `{`+okta+`}`)
	of, err := id.Parse[id.SSOConnection](connection)
	if err != nil {
		t.Fatal(err)
	}
	add := func(trace sso.Trace) {
		t.Helper()
		err := h.App.InOrg(context.Background(), acme.Org, func(tx pg.Tx) error {
			return sso.AddTrace(context.Background(), tx, acme.Org, of, trace, h.Clock.Now())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	add(sso.Trace{Step: sso.Admit, Code: "domain_not_verified", Detail: "no\x00" + strings.Repeat("x", 600), Claims: map[string]string{
		"iss": "https://idp.example.com", "email": "ada@corp.example.com", "sub": "canary-of-a-subject",
	}})
	apitest.Want(t, acme.Do("GET", "/v1/sso-connections/"+connection+"/traces", ""),
		`200 domain_not_verified "iss":"https://idp.example.com" "sub":"…" …@corp.example.com !canary !ada@ "test":false`)
	h.Advance(t, 31*24*time.Hour)
	add(sso.Trace{Step: sso.Verify, Code: sso.OK, Test: true})
	gone, err := sso.ForgetTraces(context.Background(), h.Worker, 100)
	if err != nil || gone != 1 {
		t.Fatalf("%d traces deleted, %v; want 1", gone, err)
	}
	apitest.Want(t, acme.Do("GET", "/v1/sso-connections/"+connection+"/traces", ""), `200 "code":"ok" "test":true !domain_not_verified`)
}

// A certificate may come as metadata has it, or in PEM; it is kept in PEM. Those that nothing
// could be verified with are refused at once. A provider for tests may run on the machine of
// the browser, without TLS.
func TestSAMLSettings(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	path := "/v1/sso-connections/" + acme.Make("/v1/sso-connections", `{`+entra+`}`)
	good, err := samlidp.NewKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString(good.Certificate)
	for _, tt := range []struct{ name, body, want string }{
		{"as metadata has it", `{"certificates":["` + text + `"]}`, `200 CERTIFICATE-----\n "subject":"CN=SAML "certificates_end_at":"20 !"certificates_end_at":null`},
		{"in PEM", `{"certificates":["-----BEGIN CERTIFICATE-----\n` + text + `\n-----END CERTIFICATE-----\n"]}`, `200 "subject":"CN=SAML`},
		{"of an elliptic curve", `{"certificates":["` + text + `","` + certificate(t, elliptic.P256()) + `"]}`, `422 body.certificates[1] RSA`},
		{"that is cut", `{"certificates":["` + text[:len(text)-8] + `"]}`, `422 body.certificates[0] cannot`},
		{"a provider on this machine", `{"sso_url":"http://localhost:8443/sso?tenant=1"}`, `200 tenant=1`},
		{"one elsewhere without TLS", `{"sso_url":"http://idp.example.com/sso"}`, `422 body.sso_url https://`},
		{"a fragment", `{"sso_url":"https://idp.example.com/sso#x"}`, `422 body.sso_url fragment`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, acme.Do("PATCH", path, tt.body), tt.want) })
	}
	verified(acme, "corp.example.com")
	apitest.Want(t, acme.Do("PATCH", path, `{"issuer":"urn:acme","domains":["corp.example.com"]}`), `200 urn:acme`)
	apitest.Want(t, acme.Do("POST", path+"/activate", ""), `200 "status":"active"`)
}

// Each request that sends the address of the provider's metadata lets it be read; a request
// without it, or that is refused, does not.
func TestMetadataURL(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	const path, at = "/v1/sso-connections", "https://idp.example.com/metadata"
	openID := acme.Make(path, `{`+okta+`}`)
	own := path + "/" + acme.Make(path, `{`+entra+`}`)
	for _, tt := range []struct {
		method, path, body, want string
		jobs                     int
	}{
		{"GET", own, "", `200 "metadata_url":null "metadata_read_at":null "metadata_error":null`, 0},
		{"PATCH", own, `{"metadata_url":"http://idp.example.com/metadata"}`, `422 body.metadata_url https://`, 0},
		{"PATCH", own, `{"metadata_url":"https://idp.example.com/\u0000"}`, `422 body.metadata_url`, 0},
		{"PATCH", path + "/" + openID, `{"metadata_url":"` + at + `"}`, `422 body.metadata_url`, 0},
		{"PATCH", own, `{"metadata_url":"` + at + `"}`, `200 "metadata_url":"` + at + `"`, 1},
		{"PATCH", own, `{"name":"IdP"}`, `200 "metadata_url":"` + at + `"`, 0},
		{"PATCH", own, `{"metadata_url":"` + at + `"}`, `200`, 1},
		{"PATCH", own, `{"metadata_url":""}`, `200 "metadata_url":null`, 0},
		{"POST", path, `{` + entra + `,"metadata_url":"` + at + `"}`, `201 "metadata_url":"` + at + `"`, 1},
	} {
		apitest.Want(t, acme.Do(tt.method, tt.path, tt.body), tt.want)
		added := testkit.Value[int](t, h.Database, `WITH gone AS (DELETE FROM job WHERE kind = 'sso_connection.read_metadata' AND args->>'url' = $1 RETURNING 1) SELECT count(*) FROM gone`, at)
		if added != tt.jobs {
			t.Errorf("%s %s %s: %d jobs, want %d", tt.method, tt.path, tt.body, added, tt.jobs)
		}
	}
}

// certificate makes one with a key of an elliptic curve.
func certificate(t *testing.T, curve elliptic.Curve) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}
