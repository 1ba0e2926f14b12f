package deliverability

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// What became of a record.
const (
	OK        = "ok"
	Missing   = "missing"
	Different = "different"
	Unknown   = "unknown" // DNS did not answer
)

// Record is a DNS record that a domain needs.
type Record struct {
	Purpose string // dkim, mail_from, spf or dmarc
	Type    string // CNAME, MX or TXT
	Name    string
	Wanted  string
	Found   []string
	Status  string
	ToDo    string // "" if the status is OK

	judge func(found []string) string // what is wrong with what was found; "" if nothing
}

// wantedKeys returns the DKIM records of a domain.
func wantedKeys(domain string, tokens []string) []Record {
	var list []Record
	for _, token := range tokens {
		target := token + ".dkim.amazonses.com"
		list = append(list, Record{
			Purpose: "dkim", Type: "CNAME", Name: token + "._domainkey." + domain, Wanted: target,
			judge: func(found []string) string {
				if strings.EqualFold(found[0], target) {
					return ""
				}
				return "Receivers find no key, so they take the mail for forged."
			},
		})
	}
	return list
}

// wanted returns the records of a domain that do not depend on SES's answer; the same
// as in infra/email.yaml.
func (s Setup) wanted(domain string) []Record {
	bounces, server := "bounce."+domain, "feedback-smtp."+s.Region+".amazonses.com"
	policy := "v=DMARC1; p=" + s.Policy
	if s.Reports != "" {
		policy += "; rua=mailto:" + s.Reports
	}
	return []Record{
		{Purpose: "mail_from", Type: "MX", Name: bounces, Wanted: "10 " + server, judge: func(found []string) string {
			_, host, _ := strings.Cut(found[0], " ")
			if len(found) == 1 && strings.EqualFold(host, server) {
				return ""
			}
			return "SES demands that this is the only MX record of the name."
		}},
		{Purpose: "spf", Type: "TXT", Name: bounces, Wanted: "v=spf1 include:amazonses.com -all", judge: judgeSPF},
		{Purpose: "dmarc", Type: "TXT", Name: "_dmarc." + domain, Wanted: policy, judge: s.judgeDMARC},
	}
}

// look asks DNS for the record and judges it.
func (r *Record) look(ctx context.Context, resolver *net.Resolver) {
	found, err := ask(ctx, resolver, r.Type, r.Name)
	switch r.Purpose {
	case "spf":
		found = slices.DeleteFunc(found, func(text string) bool { return !isVersion(text, "v=spf1", " ") })
	case "dmarc":
		found = slices.DeleteFunc(found, func(text string) bool { return !isVersion(text, "v=dmarc1", "; \t") })
	}
	r.Found = found
	var answer *net.DNSError
	if errors.As(err, &answer) && answer.IsNotFound {
		err = nil
	}
	switch {
	case err != nil:
		r.Status, r.ToDo = Unknown, fmt.Sprintf("DNS did not answer for %s. Ask again; if it stays so, check the name servers of the domain.", r.Name)
	case len(found) == 0:
		r.Status, r.ToDo = Missing, fmt.Sprintf("Make the %s record %s with the value %s.", r.Type, r.Name, r.Wanted)
	default:
		r.Status = OK
		if wrong := r.judge(found); wrong != "" {
			r.Status, r.ToDo = Different, fmt.Sprintf("%s Give the %s record %s the value %s.", wrong, r.Type, r.Name, r.Wanted)
		}
	}
}

// ask returns the values of the records of a name, without final dots. The dot after
// the name keeps the machine's search domains out.
func ask(ctx context.Context, resolver *net.Resolver, kind, name string) ([]string, error) {
	switch kind {
	case "CNAME":
		target, err := resolver.LookupCNAME(ctx, name+".")
		if err != nil || strings.EqualFold(target, name+".") { // the name has an address and is no alias
			return nil, err
		}
		return []string{strings.TrimSuffix(target, ".")}, nil
	case "MX":
		var list []string
		records, err := resolver.LookupMX(ctx, name+".")
		for _, r := range records {
			list = append(list, fmt.Sprintf("%d %s", r.Pref, strings.TrimSuffix(r.Host, ".")))
		}
		return list, err
	}
	return resolver.LookupTXT(ctx, name+".")
}

// isVersion reports whether a record begins with a version, which one of the
// characters in after may follow.
func isVersion(text, version, after string) bool {
	if len(text) < len(version) || !strings.EqualFold(text[:len(version)], version) {
		return false
	}
	return len(text) == len(version) || strings.ContainsRune(after, rune(text[len(version)]))
}

// judgeSPF demands SES before a term that decides about everybody.
func judgeSPF(found []string) string {
	if len(found) > 1 {
		return "Receivers ignore SPF if there are several records."
	}
	for _, term := range strings.Fields(strings.ToLower(found[0])) {
		switch strings.TrimPrefix(term, "+") {
		case "include:amazonses.com":
			return ""
		case "all", "-all", "~all", "?all":
			return "It does not allow SES."
		}
	}
	return "It does not allow SES."
}

// judgeDMARC demands the policy and, if there is one, the address of the reports.
func (s Setup) judgeDMARC(found []string) string {
	if len(found) > 1 {
		return "Receivers ignore DMARC if there are several records."
	}
	tags := map[string]string{}
	for _, tag := range strings.Split(found[0], ";") {
		name, value, _ := strings.Cut(tag, "=")
		tags[strings.ToLower(strings.TrimSpace(name))] = strings.ToLower(strings.TrimSpace(value))
	}
	if tags["p"] != s.Policy {
		return fmt.Sprintf("Its policy is %q, and DmarcPolicy is %s.", tags["p"], s.Policy)
	}
	for _, address := range strings.Split(tags["rua"], ",") {
		address, _, _ = strings.Cut(strings.TrimSpace(address), "!") // the size that the receiver may send
		if s.Reports == "" || address == strings.ToLower("mailto:"+s.Reports) {
			return ""
		}
	}
	return "Reports do not go to " + s.Reports + "."
}
