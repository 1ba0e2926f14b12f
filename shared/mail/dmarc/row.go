package dmarc

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// row has the values of a record, by their place in it.
type row map[string]string

// rowFields are the places that are read.
var rowFields = map[string]bool{
	"row/source_ip": true, "row/count": true, "row/policy_evaluated/disposition": true,
	"row/policy_evaluated/dkim": true, "row/policy_evaluated/spf": true, "identifiers/header_from": true,
}

func (r *row) set(field, value string) error {
	if *r == nil {
		*r = row{}
	}
	if _, twice := (*r)[field]; twice {
		return fmt.Errorf("a record has %s twice", field)
	}
	(*r)[field] = value
	return nil
}

// maxCount bounds the mails of a record.
const maxCount = 1_000_000_000

func (r row) read() (Row, error) {
	source, err := netip.ParseAddr(r["row/source_ip"])
	if err != nil || source.Zone() != "" {
		return Row{}, errors.New("source_ip must be an IP address")
	}
	count, err := strconv.Atoi(r["row/count"])
	if err != nil || count < 1 || count > maxCount {
		return Row{}, fmt.Errorf("count must be a number from 1 to %d", maxCount)
	}
	disposition := cmp.Or(strings.ToLower(r["row/policy_evaluated/disposition"]), "none")
	if !isPolicy(disposition) {
		return Row{}, errors.New("disposition must be none, quarantine or reject")
	}
	from := domain(r["identifiers/header_from"])
	if from == "" {
		return Row{}, errors.New("header_from is missing")
	}
	pass := func(field string) bool { return strings.EqualFold(r["row/policy_evaluated/"+field], "pass") }
	return Row{Source: source.Unmap(), Count: count, Disposition: disposition, DKIM: pass("dkim"), SPF: pass("spf"), HeaderFrom: from}, nil
}

// The time that a report may be about: a day as a rule.
const (
	earliest = 1_000_000_000 // seconds since 1970: in 2001
	latest   = 4_102_444_800 // in 2100
	longest  = 31 * 24 * 60 * 60
)

// finish checks the report when all is read.
func (r *reading) finish() (Report, error) {
	r.Domain, r.Policy = domain(r.Domain), strings.ToLower(r.Policy)
	begin, err := strconv.ParseInt(r.begin, 10, 64)
	end, err2 := strconv.ParseInt(r.end, 10, 64)
	switch {
	case r.Organization == "":
		return Report{}, errors.New("org_name is missing")
	case r.ID == "":
		return Report{}, errors.New("report_id is missing")
	case r.Domain == "":
		return Report{}, errors.New("the domain of policy_published is missing")
	case !isPolicy(r.Policy):
		return Report{}, errors.New("p must be none, quarantine or reject")
	case err != nil, err2 != nil, begin < earliest, end > latest, end < begin, end-begin > longest:
		return Report{}, errors.New("date_range must have begin and end in seconds since 1970, at most 31 days")
	}
	r.Begin, r.End = time.Unix(begin, 0).UTC(), time.Unix(end, 0).UTC()
	return r.Report, nil
}

func isPolicy(text string) bool {
	return text == "none" || text == "quarantine" || text == "reject"
}

func domain(text string) string { return strings.ToLower(strings.TrimSuffix(text, ".")) }

// line returns a value that can be shown and stored.
func line(text string) (string, error) {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > maxText:
		return "", fmt.Errorf("has more than %d bytes", maxText)
	case !utf8.ValidString(text), strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }):
		return "", errors.New("has characters that cannot be shown")
	}
	return text, nil
}
