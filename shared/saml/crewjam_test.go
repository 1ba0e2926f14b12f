package saml_test

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"

	"portico/shared/saml"
)

// provider is an identity provider of another implementation. It knows one person.
type provider struct{ spMetadata []byte }

func (p provider) GetServiceProvider(*http.Request, string) (*crewjam.EntityDescriptor, error) {
	var sp crewjam.EntityDescriptor
	return &sp, xml.Unmarshal(p.spMetadata, &sp)
}

func (provider) GetSession(http.ResponseWriter, *http.Request, *crewjam.IdpAuthnRequest) *crewjam.Session {
	return &crewjam.Session{ID: "1", CreateTime: time.Now(), ExpireTime: time.Now().Add(time.Hour), Index: "1", NameID: "ada", NameIDFormat: string(crewjam.PersistentNameIDFormat), UserEmail: "ada@acme.example", UserCommonName: "Ada Lovelace"}
}

// crewjam/saml's provider reads our metadata and our request, and we read its metadata and
// its response.
func TestCrewjamSignsIn(t *testing.T) {
	t.Parallel()
	key, _ := keyOf()
	signs := newSigner(t, key, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	c := connection()
	idp := &crewjam.IdentityProvider{
		SignatureMethod: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", Key: signs.key, Certificate: signs.cert, ServiceProviderProvider: provider{c.ServiceProvider.Metadata()}, SessionProvider: provider{},
		MetadataURL: url.URL{Scheme: "https", Host: "idp.example.com", Path: "/metadata"}, SSOURL: url.URL{Scheme: "https", Host: "idp.example.com", Path: "/sso"},
	}
	published := httptest.NewRecorder()
	idp.ServeMetadata(published, httptest.NewRequest(http.MethodGet, "https://idp.example.com/metadata", nil))
	var err error
	if c.IdentityProvider, err = saml.ReadMetadata(published.Body.Bytes()); err != nil {
		t.Fatal(err)
	}
	to, request, err := c.Begin("a state&more", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	page := httptest.NewRecorder()
	idp.ServeSSO(page, httptest.NewRequest(http.MethodGet, to, nil))
	form := regexp.MustCompile(`name="SAMLResponse" value="([^"]+)"`).FindStringSubmatch(page.Body.String())
	state := regexp.MustCompile(`name="RelayState" value="([^"]+)"`).FindStringSubmatch(page.Body.String())
	if form == nil || state == nil || state[1] != "a state&amp;more" {
		t.Fatalf("%d %s", page.Code, page.Body)
	}
	response := regexp.MustCompile(`&#43;`).ReplaceAllString(form[1], "+")
	got, err := c.Verify(response, request, time.Now())
	if err != nil || got.Subject != "ada" || got.Email != "ada@acme.example" || got.Name != "Ada Lovelace" || got.Ends.Before(time.Now()) {
		text, _ := base64.StdEncoding.DecodeString(response)
		t.Errorf("%+v (%v)\n%s", got, err, text)
	}
	got, err = c.Verify(response, "_other", time.Now())
	wantCode(t, "another request", got, err, saml.Request)
}

// A request is different each time, and keeps the query that the provider's address has.
func TestBegin(t *testing.T) {
	t.Parallel()
	first, one, err := connection().Begin("state", noon)
	if err != nil {
		t.Fatal(err)
	}
	_, two, _ := connection().Begin("state", noon)
	to, err := url.Parse(first)
	if err != nil || one == two || len(one) < 20 || to.Host != "idp.example.com" || to.Query().Get("tenant") != "1" || to.Query().Get("RelayState") != "state" {
		t.Errorf("%s, requests %s and %s (%v)", first, one, two, err)
	}
}
