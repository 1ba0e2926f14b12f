package saml_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"portico/shared/saml"
)

// wantCode checks that a response is refused for one reason.
func wantCode(t *testing.T, name string, got saml.Person, err error, want saml.Code) {
	t.Helper()
	var refusal *saml.Error
	if !errors.As(err, &refusal) || refusal.Code != want || refusal.Step() == "" || got != (saml.Person{}) {
		t.Errorf("%s: %+v (%v), want the code %s", name, got, err, want)
	}
}

// A response names a person, whichever parts the provider signs and whether it names its
// certificate.
func TestVerify(t *testing.T) {
	t.Parallel()
	ours, foreign := two(t)
	want := saml.Person{
		Subject: "00u1", Format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", Email: "ada@acme.example", Name: "Ada Lovelace",
		Assertion: "_assertion", Ends: noon.Add(4*time.Minute + 500*time.Millisecond),
	}
	unbound := answer()
	unbound.destination, unbound.issuer = "", ""
	longer := answer()
	longer.assertion.conditions = strings.Replace(longer.assertion.conditions, ` NotOnOrAfter="2026-11-23T12:04:00.5Z"`, "", 1)
	until := want
	until.Ends = noon.Add(5 * time.Minute)
	for name, tt := range map[string]struct {
		text string
		by   []signer
		want saml.Person
	}{
		"the assertion is signed":                  {ours.sign(t, answer(), how{}), []signer{ours}, want},
		"and names its certificate":                {ours.sign(t, answer(), how{keyInfo: ours.named()}), []signer{ours}, want},
		"the response is signed":                   {ours.signResponse(t, answer()), []signer{ours}, want},
		"both are signed":                          {ours.signBoth(t, answer()), []signer{ours}, want},
		"one of two certificates":                  {ours.sign(t, answer(), how{}), []signer{foreign, ours}, want},
		"the key is given as numbers":              {ours.sign(t, answer(), how{keyInfo: `<ds:KeyInfo><ds:KeyValue></ds:KeyValue></ds:KeyInfo>`}), []signer{ours}, want},
		"an unsigned response says less":           {ours.sign(t, unbound, how{}), []signer{ours}, want},
		"an XML declaration":                       {`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + ours.sign(t, answer(), how{}), []signer{ours}, want},
		"only the confirmation ends":               {ours.sign(t, longer, how{}), []signer{ours}, until},
		"comments between the parts of a document": {"<!-- a -->" + ours.sign(t, answer(), how{}) + "<!-- b -->", []signer{ours}, want},
	} {
		if got, err := connection(tt.by...).Verify(form(tt.text), asked, noon); err != nil || got != tt.want {
			t.Errorf("%s: %+v, want %+v (%v)", name, got, tt.want, err)
		}
	}
	// Some providers break the lines of base64.
	broken := form(ours.sign(t, answer(), how{}))
	broken = broken[:76] + "\r\n" + broken[76:]
	if _, err := connection(ours).Verify(broken, asked, noon); err != nil {
		t.Errorf("lines of base64: %v", err)
	}
}

// What an assertion says must fit the connection, the request and the time.
func TestConditions(t *testing.T) {
	t.Parallel()
	ours, _ := two(t)
	replace := func(in *string, old, with string) {
		if !strings.Contains(*in, old) {
			t.Errorf("%s has no %s", *in, old)
		}
		*in = strings.ReplaceAll(*in, old, with)
	}
	for name, tt := range map[string]struct {
		change func(*message)
		want   saml.Code
	}{
		"another issuer of the assertion": {func(m *message) { m.assertion.issuer = "https://other.example.com" }, saml.Issuer},
		"another issuer of the response":  {func(m *message) { m.issuer = "https://other.example.com" }, saml.Issuer},
		"another destination":             {func(m *message) { m.destination = acs + "/" }, saml.Destination},
		"another recipient":               {func(m *message) { m.assertion.recipient = "https://other.example.com/acs" }, saml.Recipient},
		"no recipient":                    {func(m *message) { m.assertion.recipient = "" }, saml.Recipient},
		"another audience":                {func(m *message) { replace(&m.assertion.conditions, entity, entity+"x") }, saml.Audience},
		"no audience":                     {func(m *message) { m.assertion.conditions = "<saml:Conditions></saml:Conditions>" }, saml.Audience},
		"a second restriction": {func(m *message) {
			replace(&m.assertion.conditions, "</saml:Conditions>", "<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction></saml:Conditions>")
		}, saml.Audience},
		"no conditions":                 {func(m *message) { m.assertion.conditions = "" }, saml.Incomplete},
		"two conditions":                {func(m *message) { m.assertion.conditions += "<saml:Conditions></saml:Conditions>" }, saml.Incomplete},
		"no statement":                  {func(m *message) { m.assertion.statement = "" }, saml.Incomplete},
		"no confirmation":               {func(m *message) { m.assertion.nameID += "</saml:Subject><saml:Subject>" }, saml.Incomplete},
		"the response answers another":  {func(m *message) { m.answers = "_other" }, saml.Request},
		"the response answers none":     {func(m *message) { m.answers = "" }, saml.Request},
		"the assertion answers another": {func(m *message) { m.assertion.answers = "_other" }, saml.Request},
		"the assertion answers none":    {func(m *message) { m.assertion.answers = "" }, saml.Request},
		"no end":                        {func(m *message) { m.assertion.confirmed = "" }, saml.Incomplete},
		"the confirmation has ended":    {func(m *message) { m.assertion.confirmed = `NotOnOrAfter="2026-11-23T11:59:00Z" ` }, saml.Expired},
		"the assertion has ended":       {func(m *message) { replace(&m.assertion.conditions, "12:04:00.5Z", "11:59:00Z") }, saml.Expired},
		"the session there has ended": {func(m *message) {
			replace(&m.assertion.statement, `00Z">`, `00Z" SessionNotOnOrAfter="2026-11-23T11:59:00Z">`)
		}, saml.Expired},
		"valid later":          {func(m *message) { replace(&m.assertion.conditions, "11:59:00Z", "12:01:01Z") }, saml.NotYet},
		"another zone":         {func(m *message) { replace(&m.assertion.conditions, "11:59:00Z", "11:59:00+00:00") }, saml.Unreadable},
		"the provider refuses": {func(m *message) { replace(&m.status, "status:Success", "status:Responder"); m.noAssertion = true }, saml.Status},
		"no assertion":         {func(m *message) { m.noAssertion = true }, saml.Incomplete},
		"another version":      {func(m *message) { m.version = "1.1" }, saml.Structure},
	} {
		m := answer()
		tt.change(&m)
		got, err := connection(ours).Verify(form(ours.sign(t, m, how{})), asked, noon)
		wantCode(t, name, got, err, tt.want)
	}
	signed := answer()
	signed.destination = ""
	got, err := connection(ours).Verify(form(ours.signResponse(t, signed)), asked, noon)
	wantCode(t, "a signed response without destination", got, err, saml.Destination)
	got, err = connection(ours).Verify(form(ours.sign(t, answer(), how{})), "", noon)
	wantCode(t, "we have asked nothing", got, err, saml.Request)
}

// Clocks may differ by a minute, not more.
func TestSkew(t *testing.T) {
	t.Parallel()
	ours, _ := two(t)
	text := form(ours.sign(t, answer(), how{}))
	for _, tt := range []struct {
		at   time.Duration // after noon; it is valid from −1 min to +4 min 0.5 s
		want saml.Code
	}{{-2*time.Minute - time.Second, saml.NotYet}, {-2 * time.Minute, ""}, {5 * time.Minute, ""}, {5*time.Minute + time.Second, saml.Expired}} {
		got, err := connection(ours).Verify(text, asked, noon.Add(tt.at))
		if tt.want != "" {
			wantCode(t, tt.at.String(), got, err, tt.want)
		} else if err != nil {
			t.Errorf("%s: %v", tt.at, err)
		}
	}
}

// A response for one connection is refused at another, even if the same provider with the
// same key signs for both.
func TestResponseOfAnotherConnection(t *testing.T) {
	t.Parallel()
	ours, foreign := two(t)
	text := form(ours.signBoth(t, answer()))
	other := connection(ours)
	other.ServiceProvider = saml.ServiceProvider{EntityID: "https://console.example.com/saml/sso_2", ACS: "https://console.example.com/saml/sso_2/acs"}
	got, err := other.Verify(text, asked, noon)
	wantCode(t, "same provider", got, err, saml.Destination)
	other.ACS = acs
	got, err = other.Verify(text, asked, noon)
	wantCode(t, "same ACS", got, err, saml.Audience)
	got, err = connection(foreign).Verify(text, asked, noon)
	wantCode(t, "another provider", got, err, saml.UnknownKey)
}
