// Package inspect says whether a mail that arrived is authenticated as it should be:
// DKIM with the headers that it covers, SPF, and DMARC with its alignment. A person
// pastes the source of a mail that they got.
package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/authres"
	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-msgauth/dmarc"
	"golang.org/x/net/publicsuffix"

	"portico/shared/fault"
)

const (
	// MaxMessage is the largest message that is inspected, in bytes.
	MaxMessage = 2 << 20
	// maxSignatures bounds the look-ups that a message can cause.
	maxSignatures = 10
)

// Report is what was found.
type Report struct {
	From       string // the domain of the From header
	Signatures []Signature
	SPF        SPF
	DMARC      DMARC
	// Problems are sentences, each with what to do. Empty: all is well.
	Problems []string
}

// Signature is one DKIM signature.
type Signature struct {
	Domain  string
	Headers []string // those that it covers, its h=
	Valid   bool
	Aligned bool   // Domain belongs to the same organization as From
	Error   string // why it is not valid
}

// SPF is the result that the receiver recorded: it depends on the address from which
// the mail came, which only the receiver knows for certain.
type SPF struct {
	Result  string // such as pass; "" if the receiver recorded none
	Domain  string // of the envelope's sender
	Aligned bool
}

// DMARC is the sender's policy and whether this mail satisfies it.
type DMARC struct {
	Policy string // none, quarantine or reject; "" if there is no record
	Passes bool
}

// Message inspects the source of a mail. lookup returns the TXT records of a name.
func Message(raw []byte, lookup func(name string) ([]string, error)) (Report, error) {
	if len(raw) > MaxMessage {
		return Report{}, fault.InvalidField("message", fmt.Sprintf("is larger than %d bytes", MaxMessage))
	}
	raw = withCRLF(raw)
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Report{}, fault.InvalidField("message", "must be the source of a mail: headers, an empty line, and the body")
	}
	from, err := message.Header.AddressList("From")
	if err != nil || len(from) != 1 || len(message.Header["From"]) != 1 {
		return Report{}, fault.InvalidField("message", "must have one From header with one address")
	}
	r := Report{From: domainOf(from[0].Address)}
	verified, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: lookup, MaxVerifications: maxSignatures})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return Report{}, fault.InvalidField("message", "has headers that cannot be read: "+err.Error())
	}
	for _, v := range verified {
		s := Signature{Domain: strings.ToLower(v.Domain), Headers: v.HeaderKeys, Valid: v.Err == nil}
		if v.Err != nil {
			s.Error = v.Err.Error()
		}
		r.Signatures = append(r.Signatures, s)
	}
	r.SPF = spfOf(message.Header)
	r.judge(policyOf(r.From, lookup))
	r.Problems = r.problems(message.Header)
	return r, nil
}

// withCRLF returns a message with the line ends of the wire: people paste others.
func withCRLF(raw []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// spfOf reads the topmost Authentication-Results: each receiver writes its own above
// the others, which the sender may have written.
func spfOf(header mail.Header) SPF {
	var s SPF
	if lines := header["Authentication-Results"]; len(lines) > 0 {
		_, results, err := authres.Parse(lines[0])
		for _, result := range results {
			if spf, ok := result.(*authres.SPFResult); ok && err == nil {
				s.Result, s.Domain = string(spf.Value), domainOf(spf.From)
			}
		}
	}
	if path := strings.Trim(header.Get("Return-Path"), "<> "); s.Domain == "" && strings.Contains(path, "@") {
		s.Domain = domainOf(path)
	}
	return s
}

// policyOf returns the DMARC record of a domain, or of its organization; nil if there
// is none.
func policyOf(domain string, lookup func(string) ([]string, error)) *dmarc.Record {
	for _, name := range []string{domain, organization(domain)} {
		if record, err := dmarc.LookupWithOptions(name, &dmarc.LookupOptions{LookupTXT: lookup}); err == nil {
			if name != domain && record.SubdomainPolicy != "" {
				record.Policy = record.SubdomainPolicy
			}
			return record
		}
	}
	return nil
}

// organization returns the part of a domain that its owner registered.
func organization(domain string) string {
	if registered, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return registered
	}
	return domain
}

func aligned(a, from string, mode dmarc.AlignmentMode) bool {
	if mode == dmarc.AlignmentStrict {
		return a == from
	}
	return a != "" && organization(a) == organization(from)
}

// judge sets what aligns, and whether DMARC is satisfied.
func (r *Report) judge(record *dmarc.Record) {
	forDKIM, forSPF := dmarc.AlignmentMode(dmarc.AlignmentRelaxed), dmarc.AlignmentMode(dmarc.AlignmentRelaxed)
	if record != nil {
		r.DMARC.Policy, forDKIM, forSPF = string(record.Policy), record.DKIMAlignment, record.SPFAlignment
	}
	r.SPF.Aligned = aligned(r.SPF.Domain, r.From, forSPF)
	r.DMARC.Passes = r.SPF.Aligned && r.SPF.Result == authres.ResultPass
	for i := range r.Signatures {
		s := &r.Signatures[i]
		s.Aligned = aligned(s.Domain, r.From, forDKIM)
		r.DMARC.Passes = r.DMARC.Passes || s.Valid && s.Aligned
	}
}

// problems says what is wrong, and what to do.
func (r *Report) problems(header mail.Header) (list []string) {
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	own := slices.DeleteFunc(slices.Clone(r.Signatures), func(s Signature) bool { return !s.Valid || !s.Aligned })
	if len(own) == 0 {
		add("No valid DKIM signature is of %s. Make the CNAME records that the identity asks for.", organization(r.From))
	}
	for _, s := range r.Signatures {
		if !s.Valid {
			add("The signature of %s is not valid: %s.", s.Domain, s.Error)
		}
	}
	for _, name := range []string{"List-Unsubscribe", "List-Unsubscribe-Post"} {
		covered := slices.ContainsFunc(own, func(s Signature) bool {
			return slices.ContainsFunc(s.Headers, func(h string) bool { return strings.EqualFold(h, name) })
		})
		if header.Get(name) != "" && len(own) > 0 && !covered {
			add("No signature covers %s (h=), so mail programs do not show a button to unsubscribe.", name)
		}
	}
	switch {
	case r.SPF.Result == "":
		add("The receiver recorded no result of SPF.")
	case r.SPF.Result != authres.ResultPass:
		add("SPF is %s for %s. Make the TXT record of the MAIL FROM domain.", r.SPF.Result, r.SPF.Domain)
	case !r.SPF.Aligned:
		add("SPF is that of %s, which does not align with %s. Set a MAIL FROM domain of your own.", r.SPF.Domain, r.From)
	}
	if r.DMARC.Policy == "" {
		add("There is no DMARC record. Make the TXT record _dmarc.%s.", r.From)
	} else if !r.DMARC.Passes {
		add("The mail does not satisfy DMARC (policy %s).", r.DMARC.Policy)
	}
	return list
}
