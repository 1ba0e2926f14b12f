package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"portico/infra/local/stacktest"
	"portico/shared/testkit"
)

// verified gives an organization a domain of its own, which the name server of the stack
// proves.
func verified(t *testing.T, c stacktest.Customer) (name string) {
	t.Helper()
	name = strings.ToLower(rand.Text()) + ".example.com"
	var domain struct {
		ID     string
		Record struct{ Name, Value string }
	}
	c.Do("POST", "/v1/domains", `{"name":"`+name+`"}`, http.StatusCreated, &domain)
	c.Do("POST", "/v1/domains/"+domain.ID+"/verify", "", http.StatusConflict, nil)
	w, err := http.PostForm(shared.URL+"/_local/dns", url.Values{"name": {domain.Record.Name}, "value": {domain.Record.Value}})
	testkit.Must(t, err)
	testkit.Must(t, w.Body.Close())
	c.Do("POST", "/v1/domains/"+domain.ID+"/verify", "", http.StatusOK, nil)
	return name
}

// connect makes a connection with these settings and activates it.
func connect(c stacktest.Customer, settings string) {
	var made struct{ ID string }
	c.Do("POST", "/v1/sso-connections", settings, http.StatusCreated, &made)
	c.Do("POST", "/v1/sso-connections/"+made.ID+"/activate", "", http.StatusOK, nil)
}

// People sign in with their organization's own providers, which the local stack plays: with
// npm's oidc-provider by OpenID Connect, and with crewjam's by SAML. They become members.
func TestSingleSignOn(t *testing.T) {
	t.Parallel()
	t.Run("oidc", func(t *testing.T) {
		t.Parallel()
		c := newCustomer(t, shared)
		domain := verified(t, c.Customer)
		connect(c.Customer, fmt.Sprintf(`{"type":"oidc","name":"Acme","domains":[%q],"issuer":%q,"client_id":"local","client_secret":"local"}`, domain, shared.OpenIDIssuer()))
		p := newPerson(t)
		p.Open(http.MethodPost, "/sign-in", url.Values{"email": {"ada@" + domain}})
		shows(t, p.visit("sso", url.Values{"email": {"ada@" + domain}, "proven": {"yes"}}), "ada@"+domain)
		isMember(t, c.Customer, "ada@"+domain)
	})
	t.Run("saml", func(t *testing.T) {
		t.Parallel()
		c := newCustomer(t, shared)
		domain := verified(t, c.Customer)
		idp := shared.SAML()
		connect(c.Customer, fmt.Sprintf(`{"type":"saml","name":"Acme","domains":[%q],"issuer":%q,"sso_url":%q,"certificates":[%q]}`, domain, idp.Issuer(), idp.URL(), idp.Certificate()))
		p := newPerson(t)
		p.Open(http.MethodPost, "/sign-in", url.Values{"email": {"ada@" + domain}})
		shows(t, p.assert("ada@"+domain), "ada@"+domain)
		isMember(t, c.Customer, "ada@"+domain)
	})
}

var posted = regexp.MustCompile(`(?s)action="([^"]+)".*name="SAMLResponse" value="([^"]+)".*name="RelayState" value="([^"]+)"`)

// assert goes to the SAML provider by the button, says there who the person is, and brings
// the response back.
func (p *person) assert(email string) string {
	p.t.Helper()
	at := p.leave("/sign-in/sso")
	w, err := p.others.PostForm(at, url.Values{"email": {email}, "name": {"Ada"}})
	testkit.Must(p.t, err)
	page := p.Text(w)
	form := posted.FindStringSubmatch(page)
	if form == nil {
		p.t.Fatalf("the provider posts nothing: %s", page)
	}
	return p.Open(http.MethodPost, strings.TrimPrefix(form[1], p.At), url.Values{"SAMLResponse": {form[2]}, "RelayState": {form[3]}})
}

func isMember(t *testing.T, c stacktest.Customer, email string) {
	t.Helper()
	var members struct{ Data []struct{ Email string } }
	c.Do("GET", "/v1/members", "", http.StatusOK, &members)
	if len(members.Data) != 1 || members.Data[0].Email != email {
		t.Errorf("members %+v, want %s", members.Data, email)
	}
}

func shows(t *testing.T, text, want string) {
	t.Helper()
	if !strings.Contains(text, want) {
		t.Fatalf("no %q in\n%s", want, text)
	}
}
