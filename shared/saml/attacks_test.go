package saml_test

import (
	"crypto"
	"strings"
	"testing"

	"portico/shared/saml"
)

// part returns the part of a text from one mark to the end of another.
func part(t *testing.T, text, from, to string) string {
	t.Helper()
	_, after, found := strings.Cut(text, from)
	inside, _, ended := strings.Cut(after, to)
	if !found || !ended {
		t.Fatalf("%s has no %s…%s", text, from, to)
	}
	return from + inside + to
}

// evil makes the admin of an assertion of Ada; it has an id of its own.
func evil(assertion string) string {
	return strings.NewReplacer("00u1", "admin", "Ada@acme.example", "admin@acme.example", `ID="_assertion"`, `ID="_evil"`).Replace(assertion)
}

// The wrapping attacks 1 to 9, by the numbers of SAML Raider: the signature stays right, and
// what it covers is moved to where the reader does not look.
func TestSignatureWrapping(t *testing.T) {
	t.Parallel()
	ours, _ := two(t)
	const assertionEnd, signatureEnd = "</saml:Assertion>", "</ds:Signature>"
	byResponse := ours.signResponse(t, answer())
	responseSignature := part(t, byResponse, "<ds:Signature", signatureEnd)
	original := strings.Replace(byResponse, responseSignature, "", 1)
	evilResponse := strings.Replace(evil(byResponse), `ID="_response"`, `ID="_evil_response"`, 1)
	byAssertion := ours.sign(t, answer(), how{})
	good := part(t, byAssertion, "<saml:Assertion", assertionEnd)
	signature := part(t, good, "<ds:Signature", signatureEnd)
	bare := strings.Replace(good, signature, "", 1)
	evilBare, evilSigned := evil(bare), evil(good)
	inSignature := func(what string) string { return strings.Replace(signature, signatureEnd, what+signatureEnd, 1) }
	object := func(what string) string { return `<ds:Object>` + what + `</ds:Object>` }
	put := func(with string) string { return strings.Replace(byAssertion, good, with, 1) }
	for name, text := range map[string]string{
		"1: the signed response in the signature of another":   strings.Replace(evilResponse, signatureEnd, original+signatureEnd, 1),
		"1: the same in an Object":                             strings.Replace(evilResponse, signatureEnd, object(original)+signatureEnd, 1),
		"2: the signed response before the signature":          strings.Replace(evilResponse, "<ds:Signature", original+"<ds:Signature", 1),
		"3: an assertion before the signed one":                put(evilBare + good),
		"3: an assertion after the signed one":                 put(good + evilBare),
		"4: the signed assertion in another":                   put(strings.Replace(evilBare, assertionEnd, good+assertionEnd, 1)),
		"4: the signed assertion in the Advice of another":     put(strings.Replace(evilBare, assertionEnd, "<saml:Advice>"+good+"</saml:Advice>"+assertionEnd, 1)),
		"5: the signature in another, the signed after it":     put(evilSigned + bare),
		"6: the signed one in the signature in another":        put(strings.Replace(evilSigned, signature, inSignature(bare), 1)),
		"7: another with the same id in Extensions":            put("<samlp:Extensions>" + strings.Replace(evilBare, "_evil", "_assertion", 1) + "</samlp:Extensions>" + good),
		"8: the signed one in an Object of the signature":      put(strings.Replace(evilSigned, signature, inSignature(object(bare)), 1)),
		"9: the signed one in the status, another in place":    strings.Replace(put(evilBare), "</samlp:Status>", "<samlp:StatusDetail>"+good+"</samlp:StatusDetail></samlp:Status>", 1),
		"a signature of another element by the same id":        put(strings.Replace(evilSigned, "_evil", "_assertion", 1) + bare),
		"a signature in the subject":                           put(strings.Replace(evilBare, "<saml:Subject>", "<saml:Subject>"+signature, 1)),
		"two signatures":                                       put(strings.Replace(good, signature, signature+signature, 1)),
		"a signature that is of the response in the assertion": strings.Replace(original, "<saml:Subject>", responseSignature+"<saml:Subject>", 1),
		"an assertion of another namespace":                    put(good + strings.ReplaceAll(evilBare, "saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"", "saml:Assertion xmlns:saml=\"urn:other\"")),
		"a response in the response":                           strings.Replace(byAssertion, "</samlp:Status>", `<samlp:StatusDetail><samlp:Response></samlp:Response></samlp:StatusDetail></samlp:Status>`, 1),
		"an id with a prefix":                                  put(strings.Replace(good, "<saml:Assertion", `<saml:Assertion samlp:ID="_evil"`, 1)),
	} {
		if text == byAssertion || text == byResponse {
			t.Errorf("%s: nothing is attacked", name)
		}
		got, err := connection(ours).Verify(form(text), asked, noon)
		wantCode(t, name, got, err, saml.Structure)
	}
}

// Whoever changes what is signed, or signs with something else, gets nowhere.
func TestSignatures(t *testing.T) {
	t.Parallel()
	ours, foreign := two(t)
	sha1 := how{hash: crypto.SHA1, method: dsig + "rsa-sha1", digest: dsig + "sha1"}
	weakDigest := how{hash: crypto.SHA1, method: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", digest: dsig + "sha1"}
	transform := func(algorithm string) string { return `<ds:Transform Algorithm="` + algorithm + `"></ds:Transform>` }
	bare := answer().assertion.text("")
	good := ours.sign(t, answer(), how{})
	value := part(t, good, "<ds:SignatureValue>", "</ds:SignatureValue>")
	old := newSigner(t, ours.key, noon.AddDate(-2, 0, 0), noon.AddDate(0, 0, -1))
	next := newSigner(t, ours.key, noon.AddDate(0, 0, 1), noon.AddDate(1, 0, 0))
	both := ours.signBoth(t, answer())
	for name, tt := range map[string]struct {
		text string
		by   signer
		want saml.Code
	}{
		"unsigned":                           {answer().text("", bare), ours, saml.Unsigned},
		"another subject":                    {strings.Replace(good, "00u1", "admin", 1), ours, saml.Signature},
		"another address":                    {strings.Replace(good, "Ada@", "Admin@", 1), ours, saml.Signature},
		"another destination of both":        {strings.Replace(both, `Destination="`+acs, `Destination="`+acs+"/x", 1), ours, saml.Signature},
		"the response's signature cut out":   {strings.Replace(both, part(t, both, "<ds:Signature", "</ds:Signature>"), "", 1), ours, ""},
		"another value":                      {strings.Replace(good, value, "<ds:SignatureValue>AAAA</ds:SignatureValue>", 1), ours, saml.Signature},
		"an empty value":                     {strings.Replace(good, value, "<ds:SignatureValue></ds:SignatureValue>", 1), ours, saml.Signature},
		"no value":                           {strings.Replace(good, value, "", 1), ours, saml.Structure},
		"SHA-1":                              {ours.sign(t, answer(), sha1), ours, saml.Algorithm},
		"SHA-1 of what is signed":            {ours.sign(t, answer(), weakDigest), ours, saml.Algorithm},
		"no signature at all, by its method": {strings.Replace(good, "rsa-sha256", "none", 1), ours, saml.Algorithm},
		"HMAC with the certificate":          {strings.Replace(good, "#rsa-sha256", "#hmac-sha256", 1), ours, saml.Algorithm},
		"another key":                        {foreign.sign(t, answer(), how{}), ours, saml.Signature},
		"another key, certificate embedded":  {foreign.sign(t, answer(), how{keyInfo: foreign.named()}), ours, saml.UnknownKey},
		"another key, our certificate named": {foreign.sign(t, answer(), how{keyInfo: ours.named()}), ours, saml.Signature},
		"a key that has ended":               {ours.sign(t, answer(), how{}), old, saml.ExpiredKey},
		"a key that is not yet valid":        {ours.sign(t, answer(), how{}), next, saml.ExpiredKey},
		"no canonicalization but XSLT":       {ours.sign(t, answer(), how{transforms: transform(dsig+"enveloped-signature") + transform("http://www.w3.org/TR/1999/REC-xslt-19991116")}), ours, saml.Algorithm},
		"XPath before":                       {ours.sign(t, answer(), how{transforms: transform("http://www.w3.org/TR/1999/REC-xpath-19991116") + transform(dsig+"enveloped-signature")}), ours, saml.Algorithm},
		"the assertion is not enveloped":     {ours.sign(t, answer(), how{transforms: transform(exclusive)}), ours, saml.Algorithm},
		"no reference":                       {ours.sign(t, answer(), how{reference: " "}), ours, saml.Structure},
		"two references":                     {ours.sign(t, answer(), how{reference: "{}{}"}), ours, saml.Structure},
		"a reference to the document":        {strings.Replace(good, `URI="#_assertion"`, `URI=""`, 1), ours, saml.Structure},
		"a reference to another id":          {strings.Replace(good, `URI="#_assertion"`, `URI="#_response"`, 1), ours, saml.Structure},
		"two SignedInfo":                     {strings.Replace(good, "<ds:SignatureValue>", part(t, good, "<ds:SignedInfo", "</ds:SignedInfo>")+"<ds:SignatureValue>", 1), ours, saml.Structure},
		"a SignedInfo of another namespace":  {strings.NewReplacer("<ds:SignedInfo", `<x:SignedInfo xmlns:x="urn:x"`, "</ds:SignedInfo", "</x:SignedInfo").Replace(good), ours, saml.Structure},
	} {
		got, err := connection(tt.by).Verify(form(tt.text), asked, noon)
		if tt.want != "" {
			wantCode(t, name, got, err, tt.want)
		} else if err != nil { // the assertion has its own signature still
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A comment cuts no text, whether the signature covers it or not.
func TestComments(t *testing.T) {
	t.Parallel()
	ours, _ := two(t)
	m := answer()
	m.assertion.attributes = ""
	m.assertion.nameID = `<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">admin@acme.example.evil.example</saml:NameID>`
	text := ours.sign(t, m, how{})
	const whole = "admin@acme.example.evil.example"
	for _, cut := range []string{"admin@acme.example<!-- -->.evil.example", "<!-- -->" + whole, "admin@acme.example<![CDATA[.evil.example]]>"} {
		got, err := connection(ours).Verify(form(strings.Replace(text, whole, cut, 1)), asked, noon)
		if err != nil || got.Subject != whole || got.Email != whole {
			t.Errorf("%s: %+v (%v)", cut, got, err)
		}
	}
	// Signed with its comment.
	m.assertion.nameID = strings.Replace(m.assertion.nameID, whole, "admin@acme.example<!-- -->.evil.example", 1)
	text = ours.sign(t, m, how{transforms: `<ds:Transform Algorithm="` + dsig + `enveloped-signature"></ds:Transform><ds:Transform Algorithm="` + exclusive + `WithComments"></ds:Transform>`})
	if got, err := connection(ours).Verify(form(text), asked, noon); err != nil || got.Subject != whole {
		t.Errorf("a signed comment: %+v (%v)", got, err)
	}
	// In what the verifier compares, a comment hides nothing either.
	text = ours.sign(t, answer(), how{})
	evil := strings.Replace(strings.Replace(text, "00u1", "admin", 1), "<ds:DigestValue>", "<ds:DigestValue><!--AAAA-->", 1)
	got, err := connection(ours).Verify(form(evil), asked, noon)
	wantCode(t, "a comment in the digest", got, err, saml.Signature)
}

// Nothing but plain XML is read, and not too much of it.
func TestDocuments(t *testing.T) {
	t.Parallel()
	ours, _ := two(t)
	good := ours.sign(t, answer(), how{})
	deep := strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40)
	prefixes := ""
	for i := range 60 {
		prefixes += ` xmlns:p` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `="urn:p"`
	}
	in := func(what string) string { return strings.Replace(good, "<samlp:Status>", what+"<samlp:Status>", 1) }
	for name, tt := range map[string]struct {
		text string
		want saml.Code
	}{
		"a document type":          {`<!DOCTYPE r>` + good, saml.DTD},
		"an entity":                {`<!DOCTYPE r [<!ENTITY x "admin">]>` + strings.Replace(good, "00u1", "&x;", 1), saml.DTD},
		"an entity from elsewhere": {`<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + strings.Replace(good, "00u1", "&x;", 1), saml.DTD},
		"entities in entities":     {`<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>` + strings.Replace(good, "00u1", "&b;", 1), saml.DTD},
		"an unknown entity":        {strings.Replace(good, "00u1", "&x;", 1), saml.Unreadable},
		"a processing instruction": {in("<?php x?>"), saml.Unreadable},
		"another encoding":         {`<?xml version="1.0" encoding="UTF-7"?>` + good, saml.Unreadable},
		"an attribute twice":       {strings.Replace(good, ` ID="_assertion"`, ` ID="_assertion" ID="_evil"`, 1), saml.Unreadable},
		"two roots":                {good + good, saml.Unreadable},
		"text after the root":      {good + "x", saml.Unreadable},
		"an element that is open":  {strings.TrimSuffix(good, "</samlp:Response>"), saml.Unreadable},
		"ends in the wrong order":  {in("<a><b></a></b>"), saml.Unreadable},
		"nothing":                  {"", saml.Unreadable},
		"something else":           {`<html></html>`, saml.Structure},
		"an encrypted assertion":   {strings.Replace(good, "<saml:Assertion", `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"></saml:EncryptedAssertion><saml:Assertion`, 1), saml.Encrypted},
		"too large":                {in("<a>" + strings.Repeat("x", 300<<10) + "</a>"), saml.TooLarge},
		"too deep":                 {in(deep), saml.TooLarge},
		"too many elements":        {in(strings.Repeat("<a/>", 11_000)), saml.TooLarge},
		"too many prefixes":        {in("<a" + prefixes + "/>"), saml.TooLarge},
	} {
		got, err := connection(ours).Verify(form(tt.text), asked, noon)
		wantCode(t, name, got, err, tt.want)
	}
	got, err := connection(ours).Verify("%", asked, noon)
	wantCode(t, "not base64", got, err, saml.Unreadable)
	got, err = connection(ours).Verify(strings.Repeat("A", 2<<20), asked, noon)
	wantCode(t, "a huge form", got, err, saml.TooLarge)
}
