package saml_test

import (
	"strings"
	"testing"

	"portico/shared/saml"
)

// The address and the name come from the attributes that providers send, or from the NameID.
func TestPerson(t *testing.T) {
	t.Parallel()
	ours, _ := two(t)
	nameID := func(format, value string) string {
		return `<saml:NameID Format="` + format + `">` + value + `</saml:NameID>`
	}
	const unspecified, address = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	const claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	for name, tt := range map[string]struct {
		nameID, attributes string
		email, person      string // person: its name
		want               saml.Code
	}{
		"Okta":                        {nameID(address, "ada@acme.example"), attribute("firstName", "Ada") + attribute("lastName", "Lovelace"), "ada@acme.example", "Ada Lovelace", ""},
		"Entra":                       {nameID(address, "ada@acme.onmicrosoft.com"), attribute(claims+"emailaddress", "Ada@Acme.example") + attribute("http://schemas.microsoft.com/identity/claims/displayname", "Ada L."), "ada@acme.example", "Ada L.", ""},
		"LDAP":                        {nameID(unspecified, "ada"), attribute("urn:oid:0.9.2342.19200300.100.1.3", "ada@acme.example") + attribute("urn:oid:2.5.4.4", "Lovelace"), "ada@acme.example", "Lovelace", ""},
		"only a NameID":               {`<saml:NameID> ada@acme.example </saml:NameID>`, "", "ada@acme.example", "", ""},
		"the same address twice":      {nameID(unspecified, "ada"), attribute("email", "ada@acme.example", "ADA@acme.example"), "ada@acme.example", "", ""},
		"two addresses":               {nameID(address, "ada@acme.example"), attribute("email", "ada@acme.example", "admin@acme.example"), "", "", saml.Address},
		"two attributes":              {nameID(address, "ada@acme.example"), attribute("email", "ada@acme.example") + attribute("mail", "admin@acme.example"), "", "", saml.Address},
		"no address":                  {nameID(unspecified, "ada"), attribute("department", "x"), "", "", saml.Address},
		"a persistent NameID only":    {nameID("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", "ada@acme.example"), "", "", "", saml.Address},
		"an address with a space":     {nameID(unspecified, "ada"), attribute("email", "ada@acme.example x"), "", "", saml.Address},
		"an address with two domains": {nameID(unspecified, "ada"), attribute("email", "ada@acme.example@evil.example"), "", "", saml.Address},
		"a long address":              {nameID(unspecified, "ada"), attribute("email", strings.Repeat("a", 250)+"@acme.example"), "", "", saml.Address},
		"a long name":                 {nameID(address, "ada@acme.example"), attribute("name", strings.Repeat("a", 300)), "ada@acme.example", "", ""},
		"a transient NameID":          {nameID("urn:oasis:names:tc:SAML:2.0:nameid-format:transient", "x"), attribute("email", "ada@acme.example"), "", "", saml.Subject},
		"no NameID":                   {"", attribute("email", "ada@acme.example"), "", "", saml.Subject},
		"an empty NameID":             {nameID(unspecified, ""), attribute("email", "ada@acme.example"), "", "", saml.Subject},
		"two NameIDs":                 {nameID(unspecified, "ada") + nameID(unspecified, "admin"), attribute("email", "ada@acme.example"), "", "", saml.Subject},
		"a long NameID":               {nameID(unspecified, strings.Repeat("a", 300)), attribute("email", "ada@acme.example"), "", "", saml.Subject},
		"a NameID with a line break":  {nameID(unspecified, "a\nb"), attribute("email", "ada@acme.example"), "", "", saml.Subject},
	} {
		m := answer()
		m.assertion.nameID, m.assertion.attributes = tt.nameID, tt.attributes
		got, err := connection(ours).Verify(form(ours.sign(t, m, how{})), asked, noon)
		switch {
		case tt.want != "":
			wantCode(t, name, got, err, tt.want)
		case err != nil || got.Email != tt.email || got.Name != tt.person || got.Subject == "":
			t.Errorf("%s: %+v (%v)", name, got, err)
		}
	}
}

// A message tells the names of the attributes, never their values.
func TestMessagesTellNoValues(t *testing.T) {
	t.Parallel()
	ours, _ := two(t)
	m := answer()
	m.assertion.attributes = attribute("mails", "secret@acme.example") + attribute(strings.Repeat("n", 500), "x")
	_, err := connection(ours).Verify(form(ours.sign(t, m, how{})), asked, noon)
	if err == nil || !strings.Contains(err.Error(), "mails nnn") || strings.Contains(err.Error(), "secret") || len(err.Error()) > 500 {
		t.Errorf("%v", err)
	}
}
