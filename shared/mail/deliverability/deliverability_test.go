package deliverability_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	local "portico/infra/local/aws"
	"portico/infra/local/aws/awstest"
	"portico/infra/local/template"
	"portico/shared/mail/deliverability"
	"portico/shared/mail/transport"
	"portico/shared/testkit"
)

// setup sends through a local SES.
func setup(t *testing.T) (*local.Server, deliverability.Setup) {
	t.Helper()
	services, url := awstest.Server(t)
	services.SetSES(template.SES{Identities: []template.Identity{{Domain: "mail.example.com"}, {Domain: "news.example.com"}}})
	ses := transport.NewSES(testkit.AWS(url), "")
	return services, deliverability.Setup{
		Domain: "example.com", Region: "us-east-1", Policy: "quarantine", Reports: "dmarc@example.com",
		Account: func(ctx context.Context) (deliverability.Account, error) {
			a, err := ses.Account(ctx)
			return deliverability.Account(a), err
		},
		Identity: func(ctx context.Context, domain string) (*deliverability.Identity, error) {
			i, err := ses.Identity(ctx, domain)
			return (*deliverability.Identity)(i), err
		},
	}
}

// publish makes the records that a report wants.
func publish(names *testkit.NameServer, domains []deliverability.Domain) {
	for _, d := range domains {
		for _, r := range d.Records {
			switch r.Type {
			case "CNAME":
				names.Alias(r.Name, r.Wanted)
			case "MX":
				names.SetMX(r.Name, strings.TrimPrefix(r.Wanted, "10 "))
			default:
				names.Set(r.Name, "other", r.Wanted)
			}
		}
	}
}

// without returns the records that do not have a status.
func without(status string, domains []deliverability.Domain) (list []string) {
	for _, d := range domains {
		for _, r := range d.Records {
			if r.Status != status {
				list = append(list, fmt.Sprintf("%s %s %s: %q", r.Type, r.Name, r.Status, r.Found))
			}
			if (r.Status == deliverability.OK) != (r.ToDo == "") {
				list = append(list, fmt.Sprintf("%s %s %s: to do %q", r.Type, r.Name, r.Status, r.ToDo))
			}
		}
	}
	return list
}

// Six records for each domain: all are missing, then all are right.
func TestWantedRecords(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	names := testkit.NewNameServer(t)
	r := deliverability.Look(t.Context(), names.Resolver(), s)
	if bad := without(deliverability.Missing, r.Domains); len(r.Domains) != 2 || len(r.Domains[0].Records) != 6 || bad != nil {
		t.Fatalf("with an empty DNS: %q in %+v", bad, r)
	}
	publish(names, r.Domains)
	r = deliverability.Look(t.Context(), names.Resolver(), s)
	if bad := without(deliverability.OK, r.Domains); bad != nil || r.Problems != nil || r.Account == nil || !*r.Domains[1].Verified {
		t.Errorf("with all records: %q, %q, %+v", bad, r.Problems, r.Account)
	}
	names.Fail(dnsmessage.RCodeServerFailure, false)
	if bad := without(deliverability.Unknown, deliverability.Look(t.Context(), names.Resolver(), s).Domains); bad != nil {
		t.Errorf("with a broken DNS: %q", bad)
	}
}

// A record that does not do what is needed is different; what does it in another form
// is right.
func TestDifferentRecords(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	wanted := deliverability.Look(t.Context(), testkit.NewNameServer(t).Resolver(), s).Domains[:1]
	key := wanted[0].Records[0].Name
	const bounces, dmarc = "bounce.mail.example.com", "_dmarc.mail.example.com"
	for name, tt := range map[string]struct {
		change func(*testkit.NameServer)
		record string
		want   string
	}{
		"another key":         {func(n *testkit.NameServer) { n.Alias(key, "x.dkim.example.net") }, key, "different"},
		"capitals":            {func(n *testkit.NameServer) { n.Alias(key, strings.ToUpper(wanted[0].Records[0].Wanted)) }, key, "ok"},
		"another mail server": {func(n *testkit.NameServer) { n.SetMX(bounces, "mx.example.net") }, bounces + " MX", "different"},
		"one mail server more": {func(n *testkit.NameServer) {
			n.SetMX(bounces, "feedback-smtp.us-east-1.amazonses.com", "mx.example.net")
		}, bounces + " MX", "different"},
		"SPF of another":     {func(n *testkit.NameServer) { n.Set(bounces, "v=spf1 include:example.net -all") }, bounces + " TXT", "different"},
		"SPF after the end":  {func(n *testkit.NameServer) { n.Set(bounces, "v=spf1 -all include:amazonses.com") }, bounces + " TXT", "different"},
		"SPF with another":   {func(n *testkit.NameServer) { n.Set(bounces, "v=spf1 ip4:192.0.2.1 include:amazonses.com ~all") }, bounces + " TXT", "ok"},
		"two SPF":            {func(n *testkit.NameServer) { n.Set(bounces, "v=spf1 include:amazonses.com -all", "v=spf1 -all") }, bounces + " TXT", "different"},
		"no SPF":             {func(n *testkit.NameServer) { n.Set(bounces, "v=spf10 x") }, bounces + " TXT", "missing"},
		"another policy":     {func(n *testkit.NameServer) { n.Set(dmarc, "v=DMARC1; p=none; rua=mailto:dmarc@example.com") }, dmarc, "different"},
		"reports to another": {func(n *testkit.NameServer) { n.Set(dmarc, "v=DMARC1; p=quarantine; rua=mailto:x@example.com") }, dmarc, "different"},
		"reports to two": {func(n *testkit.NameServer) {
			n.Set(dmarc, "v=DMARC1;p=quarantine;rua=mailto:x@example.com, mailto:DMARC@example.com!10m")
		}, dmarc, "ok"},
		"two policies":           {func(n *testkit.NameServer) { n.Set(dmarc, "v=DMARC1; p=none", "v=DMARC1; p=quarantine") }, dmarc, "different"},
		"no policy, and no text": {func(n *testkit.NameServer) { n.Set(dmarc, "v=DMARC1") }, dmarc, "different"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			names := testkit.NewNameServer(t)
			publish(names, wanted)
			tt.change(names)
			for _, r := range deliverability.Look(t.Context(), names.Resolver(), s).Domains[0].Records {
				want := deliverability.OK
				if strings.HasPrefix(r.Name+" "+r.Type, tt.record) {
					want = tt.want
				}
				if r.Status != want {
					t.Errorf("%s %s is %s, want %s: %q", r.Type, r.Name, r.Status, want, r.Found)
				}
			}
		})
	}
}

// What SES says against the account is a problem; an SES that is away is one too, and
// the other records are still looked up. Without a domain nobody is asked.
func TestProblems(t *testing.T) {
	t.Parallel()
	services, s := setup(t)
	resolver := testkit.NewNameServer(t).Resolver()
	services.SetAccount(local.Account{Max24HourSend: 0, MaxSendRate: 14, Enforcement: "PROBATION", Sandbox: true, Paused: true})
	away, own, unknown := s, s, s
	away.Account = func(context.Context) (deliverability.Account, error) {
		return deliverability.Account{}, errors.New("away")
	}
	away.Identity = func(context.Context, string) (*deliverability.Identity, error) { return nil, errors.New("away") }
	own.OwnServer = true
	unknown.Domain = "example.net"
	for name, tt := range map[string]struct {
		setup    deliverability.Setup
		problems []string // the beginning of each
		records  int
		account  bool
	}{
		"account":       {s, []string{"The account is in SES's sandbox", "SES's state of the account is PROBATION", "SES accepts no mail", "0 of the 0 mails"}, 6, true},
		"away":          {away, []string{"SES did not answer about the account", "SES did not say which DKIM records mail.example.com", "SES did not say which DKIM records news."}, 3, false},
		"own":           {own, []string{"Mail is sent through the service that MailSecret names"}, 6, false},
		"unknown":       {unknown, []string{"The account is", "SES's state", "SES accepts no mail", "0 of", "SES does not know mail.example.net", "SES does not know news."}, 3, true},
		"only a secret": {deliverability.Setup{OwnServer: true}, []string{"MailDomain is not set"}, 0, false},
		"nothing":       {deliverability.Setup{}, []string{"Mail does not leave"}, 0, false},
	} {
		r := deliverability.Look(t.Context(), resolver, tt.setup)
		records := 0
		if len(r.Domains) > 0 {
			records = len(r.Domains[0].Records)
		}
		if len(r.Problems) != len(tt.problems) || records != tt.records || (r.Account != nil) != tt.account {
			t.Errorf("%s: %q, %d records, %+v", name, r.Problems, records, r.Account)
			continue
		}
		for i, p := range tt.problems {
			if !strings.HasPrefix(r.Problems[i], p) {
				t.Errorf("%s: %q, want %q", name, r.Problems[i], p)
			}
		}
	}
}

// Name servers and an SES that are silent do not hold the answer up: it ends with the
// context.
func TestSilence(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	s.Account = func(ctx context.Context) (deliverability.Account, error) {
		<-ctx.Done()
		return deliverability.Account{}, ctx.Err()
	}
	s.Identity = func(ctx context.Context, _ string) (*deliverability.Identity, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	names := testkit.NewNameServer(t)
	names.Fail(dnsmessage.RCodeSuccess, true)
	r := deliverability.Look(t.Context(), names.Resolver(), s) // t.Context has no deadline, so this ends by the bound
	if bad := without(deliverability.Unknown, r.Domains); bad != nil || r.Account != nil || len(r.Problems) != 3 {
		t.Errorf("%q, %+v", bad, r)
	}
}
