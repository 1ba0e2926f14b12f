package jobs_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portico/infra/local/samlidp"
	"portico/shared/egress"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/pg"
	"portico/shared/provider/document"
	"portico/shared/sso/watch"
	"portico/shared/testkit"
)

// published is the metadata of a provider with certificates in base64.
func published(issuer string, certificates ...string) string {
	keys := ""
	for _, c := range certificates {
		keys += `<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` + c + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>`
	}
	return `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + issuer + `"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` +
		keys + `<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/sso"/></IDPSSODescriptor></EntityDescriptor>`
}

// signer returns the certificate of a new key in base64, from a time on for ten years.
func signer(t *testing.T, from time.Time) string {
	t.Helper()
	key, err := samlidp.NewKey(from)
	testkit.Must(t, err)
	return base64.StdEncoding.EncodeToString(key.Certificate)
}

// publisher is a provider that publishes metadata, and a connection to it.
type publisher struct {
	*shift
	org        id.Org
	connection id.SSOConnection
	url        string
	answer     func(w http.ResponseWriter, r *http.Request)
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	db := testkit.DB(t)
	p := &publisher{shift: newShift(t, db, jobs.Deleter{}), org: db.NewOrg(t), connection: id.New[id.SSOConnection](db.Clock.Now())}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.answer(w, r) }))
	t.Cleanup(server.Close)
	p.url = server.URL + "/metadata"
	db.Insert(t, "sso_connection", testkit.Row{"org_id": p.org, "id": p.connection, "type": "saml", "name": "Okta", "status": "active", "predefined": "viewer", "metadata_url": p.url})
	return p
}

func (p *publisher) publishes(text string) {
	p.answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

// sees returns the connection without its dates, and the newest trace.
func (p *publisher) sees() string {
	p.t.Helper()
	if failed := p.failures(); len(failed) > 0 {
		p.t.Errorf("jobs have failed: %q", failed)
	}
	return testkit.Value[string](p.t, p.Database, `SELECT concat_ws(' ', issuer, sso_url, cardinality(certificates), version, 'read', metadata_read_at IS NOT NULL,
		(SELECT step || ' ' || code FROM sso_trace ORDER BY id DESC LIMIT 1), metadata_error <> '') FROM sso_connection WHERE id = $1`, p.connection)
}

// The metadata of a connection is read once a day: a new certificate is taken, with an entry
// in the log, and what is as before changes nothing. A disabled connection, and one without an
// address, are left alone.
func TestMetadataIsRead(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	now := p.Clock.Now()
	old, next := signer(t, now.Add(-time.Hour)), signer(t, now)
	p.Insert(t, "sso_connection", testkit.Row{"org_id": p.org, "id": id.New[id.SSOConnection](now), "type": "saml", "name": "none", "predefined": "viewer"})
	asked := 0
	for _, step := range []struct {
		text string
		want string
	}{
		{published("https://idp.example.com", old), "https://idp.example.com https://idp.example.com/sso 1 2 read t f"},
		{published("https://idp.example.com", old), "https://idp.example.com https://idp.example.com/sso 1 2 read t f"},
		{published("https://idp.example.com", old, next), "https://idp.example.com https://idp.example.com/sso 2 3 read t f"},
		{published("https://idp.example.com", next), "https://idp.example.com https://idp.example.com/sso 1 4 read t f"},
	} {
		p.answer = func(w http.ResponseWriter, _ *http.Request) { asked++; _, _ = w.Write([]byte(step.text)) }
		if p.do("watch-sso-metadata"); p.sees() != step.want {
			t.Errorf("%s, want %s", p.sees(), step.want)
		}
		p.Advance(t, days)
	}
	if n := testkit.Value[int](t, p.Database, `SELECT count(*) FROM audit_entry WHERE action = 'sso_connection.update' AND actor_id = 'sso_metadata'`); n != 3 || asked != 4 {
		t.Errorf("%d entries, asked %d times", n, asked)
	}
	if end := testkit.Value[time.Time](t, p.Database, `SELECT certificates_end_at FROM sso_connection WHERE id = $1`, p.connection); !end.Equal(now.UTC().Truncate(time.Second).AddDate(10, 0, 0)) {
		t.Errorf("the certificates end at %s", end)
	}
	p.Exec(t, `UPDATE sso_connection SET status = 'disabled'`)
	if p.do("watch-sso-metadata"); asked != 4 {
		t.Error("a disabled connection's is read")
	}
}

// What cannot be used changes nothing: a trace and the connection say why, and the next
// metadata that can be used is taken.
func TestMetadataIsRefused(t *testing.T) {
	t.Parallel()
	const issuer = "https://idp.example.com"
	for name, tt := range map[string]struct {
		publish func(t *testing.T, p *publisher)
		want    string
	}{
		"another entity id": {func(t *testing.T, p *publisher) {
			p.publishes(published("https://evil.example.com", signer(t, p.Clock.Now())))
		}, "metadata_issuer"},
		"ended": {func(t *testing.T, p *publisher) {
			p.publishes(published(issuer, signer(t, p.Clock.Now().AddDate(-11, 0, 0))))
		}, "metadata_certificate"},
		"no certificate": {func(_ *testing.T, p *publisher) { p.publishes(published(issuer)) }, "metadata_certificate"},
		"no metadata":    {func(_ *testing.T, p *publisher) { p.publishes("<x/>") }, "metadata_wrong_kind"},
		"no XML":         {func(_ *testing.T, p *publisher) { p.publishes("{}") }, "metadata_unreadable"},
		"too large":      {func(_ *testing.T, p *publisher) { p.publishes(strings.Repeat(" ", 10<<20)) }, "metadata_too_large"},
		"not found":      {func(_ *testing.T, p *publisher) { p.answer = http.NotFound }, "metadata_away"},
		"elsewhere": {func(t *testing.T, p *publisher) {
			valid := published(issuer, signer(t, p.Clock.Now()))
			p.answer = func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/other" {
					http.Redirect(w, r, "/other", http.StatusFound)
					return
				}
				_, _ = w.Write([]byte(valid))
			}
		}, "metadata_away"},
		"a private address": {func(t *testing.T, p *publisher) {
			p.publishes(published(issuer, signer(t, p.Clock.Now())))
			policy, err := egress.ParsePolicy("")
			testkit.Must(t, err)
			p.fetch = document.Reader(policy.Transport())
		}, "metadata_away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPublisher(t)
			p.publishes(published(issuer, signer(t, p.Clock.Now().Add(-time.Hour))))
			p.do("watch-sso-metadata")
			fetch := p.fetch
			tt.publish(t, p)
			p.Advance(t, days)
			p.do("watch-sso-metadata")
			if got, want := p.sees(), fmt.Sprintf("%s %s/sso 1 2 read t discover %s t", issuer, issuer, tt.want); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			p.fetch = fetch
			p.publishes(published(issuer, signer(t, p.Clock.Now())))
			p.do("watch-sso-metadata")
			if got := p.sees(); !strings.HasPrefix(got, issuer+" "+issuer+"/sso 1 3 read t") || !strings.HasSuffix(got, " f") {
				t.Errorf("afterwards: %s", got)
			}
		})
	}
}

// An address that was changed while the old one was read counts, and a connection that was
// deleted meanwhile harms nobody.
func TestMetadataOfAnotherAddress(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"changed": `UPDATE sso_connection SET metadata_url = 'https://other.example.com'`, "deleted": `DELETE FROM sso_connection`,
	} {
		p := newPublisher(t)
		text := published("https://idp.example.com", signer(t, p.Clock.Now()))
		p.answer = func(w http.ResponseWriter, _ *http.Request) {
			p.Exec(t, change)
			_, _ = w.Write([]byte(text))
		}
		p.InOrg(t, p.org, func(ctx context.Context, tx pg.Tx) error { return watch.Read(ctx, tx, p.org, p.connection, p.url) })
		p.rest()
		if left := testkit.Value[int](t, p.Database, `SELECT (SELECT count(*) FROM sso_connection WHERE issuer <> '') + (SELECT count(*) FROM sso_trace) + (SELECT count(*) FROM job)`); left != 0 || len(p.failures()) != 0 {
			t.Errorf("%s: %d, %q", name, left, p.failures())
		}
	}
}
