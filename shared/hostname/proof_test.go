package hostname_test

import (
	"fmt"
	"strings"
	"testing"

	"portico/shared/testkit"

	"golang.org/x/net/dns/dnsmessage"
)

// Only a TXT record with exactly the domain's value proves it: alone or among
// others, split or through an alias. The reply says which records were found. If
// DNS does not answer, the reply says that. A proof that fails changes nothing.
func TestProof(t *testing.T) {
	eachStore(t, func(f *fixture) {
		d := f.add(f.acme, "portal.example.com")
		name, value := d.Record()
		var many []string
		for i := range 25 {
			many = append(many, fmt.Sprint("n=", i))
		}
		set := func(texts ...string) func() { return func() { f.names.Set(name, texts...) } }
		for _, tt := range []struct {
			what  string
			shows func()
			code  string
			says  string
		}{
			{"no record", set(), "domain_unproven", name + " has no TXT record. Create it with the value \"" + value + `"`},
			{"another record", set("v=spf1 -all"), "domain_unproven", `TXT records (1), but none has the value "` + value + `"; the first is "v=spf1 -all"`},
			{"another's token", set("portico-verification=" + strings.Repeat("A", 26)), "domain_unproven", `none has the value "` + value},
			{"the token alone", set(d.Token), "domain_unproven", value},
			{"in lower case", set(strings.ToLower(value)), "domain_unproven", value},
			{"with a space", set(value + " "), "domain_unproven", value},
			{"with more behind it", set(value + "A"), "domain_unproven", value},
			{"a long one", set(strings.Repeat("x", 200)), "domain_unproven", `"` + strings.Repeat("x", 80) + `"`},
			{"behind more than are read", set(append(many, value)...), "domain_unproven", "TXT records (20)"},
			{"at the name itself", func() { f.names.Set(d.Name, value); f.names.Set(name) }, "domain_unproven", "no TXT record"},
			{"name servers that fail", func() { set(value)(); f.names.Fail(dnsmessage.RCodeServerFailure, false) }, "domain_unproven", "answer with an error"},
			{"a DNS that is silent", func() { f.names.Fail(dnsmessage.RCodeSuccess, true) }, "dns_unavailable", "did not answer"},
		} {
			tt.shows()
			f.answers(tt.what, f.verify(f.acme, d), tt.code, tt.says)
			f.names.Fail(dnsmessage.RCodeSuccess, false)
			if f.verified(d) {
				t.Errorf("%s: verified", tt.what)
			}
			f.isOf(d.Name, nobody)
		}
		for what, shows := range map[string]func(name, value string){
			"alone":        func(name, value string) { f.names.Set(name, value) },
			"among others": func(name, value string) { f.names.Set(name, "v=spf1 -all", value, "n=1") },
			"in two parts": func(name, value string) { f.names.SetRecords(name, []string{value[:9], value[9:]}) },
			"through an alias": func(name, value string) {
				f.names.Alias(name, "proof.example.net")
				f.names.Set("proof.example.net", value)
			},
		} {
			d := f.add(f.acme, strings.ReplaceAll(what, " ", "-")+".example.com")
			shows(d.Record())
			f.answers(what, f.verify(f.acme, d), "")
			f.isOf(d.Name, f.acme)
		}
	})
}

// A record that is left in DNS proves nothing for the next organization that adds
// the name, nor for the same one.
func TestRecordProvesOneDomain(t *testing.T) {
	eachStore(t, func(f *fixture) {
		first := f.add(f.acme, "portal.example.com")
		f.show(first)
		testkit.Must(f.T, f.verify(f.acme, first))
		testkit.Must(f.T, f.delete(f.acme, first))
		f.isOf("portal.example.com", nobody)
		theirs := f.add(f.evil, "portal.example.com")
		f.answers("another organization, by the record left behind", f.verify(f.evil, theirs), "domain_unproven")
		again := f.add(f.acme, "portal.example.com")
		f.answers("the same organization, by the record left behind", f.verify(f.acme, again), "domain_unproven")
		f.isOf("portal.example.com", nobody)
		if _, value := first.Record(); len(value) < len("portico-verification=")+26 || again.Token == first.Token || theirs.Token == first.Token {
			t.Errorf("tokens %q, %q, %q", first.Token, again.Token, theirs.Token)
		}
	})
}
