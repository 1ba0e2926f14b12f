package mail

import (
	"net/http"
	"sync"
	"time"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/mail/deliverability"
)

// GetDeliverability is GET /v1/staff/deliverability.
var GetDeliverability = edge.Global[struct{}, deliverabilityOutput]{
	Op: edge.Op{
		ID: "getDeliverability", Method: http.MethodGet, Path: "/v1/staff/deliverability", Function: function, Acts: edge.OnAll,
		Permission: auth.MailRead, Cost: 20, Access: edge.NoRecords, Tag: Tag, Summary: "See whether mail can arrive",
		Description: "#getDeliverability",
	},
	Handle: getDeliverability,
}

type deliverabilityOutput struct {
	Body struct {
		Transport string            `json:"transport" enum:"ses,smtp_or_resend,none" doc:"Through which service mail is sent. none: mail does not leave."`
		Domain    string            `json:"domain" doc:"The domain below which mail is sent through SES; empty: there is none." example:"example.com"`
		Account   *mailAccountBody  `json:"account" doc:"What SES allows; null: mail is not sent through SES, or SES did not answer. Then problems says why."`
		Domains   []mailDomainBody  `json:"domains" doc:"The domains from which mail is sent."`
		Marketing marketingBody     `json:"marketing" doc:"Whether marketing is sent."`
		Streams   []streamRatesBody `json:"streams" nullable:"false" doc:"What became of the mails of each stream, in all databases that answered."`
		Problems  []string          `json:"problems" doc:"What is wrong beyond the records, each with what to do; empty: nothing." example:"[\"The account is in SES's sandbox: only addresses that SES has verified get mail. Ask AWS for production access in the SES console.\"]"`
	}
}

type mailAccountBody struct {
	_           struct{} `nullable:"true"`
	Sandbox     bool     `json:"sandbox" doc:"Whether only addresses that SES has verified get mail."`
	Enforcement string   `json:"enforcement" doc:"HEALTHY, PROBATION (SES watches the account because of bounces or complaints) or SHUTDOWN." example:"HEALTHY"`
	Sending     bool     `json:"sending" doc:"Whether SES accepts mail."`
	PerSecond   float64  `json:"max_per_second" doc:"To how many recipients mail may be sent in a second." example:"14"`
	PerDay      *float64 `json:"max_per_day" doc:"The same in 24 hours; null: any number." example:"50000"`
	Sent        float64  `json:"sent_last_day" doc:"To how many it was sent in the last 24 hours." example:"1200"`
}

type mailDomainBody struct {
	Domain   string          `json:"domain" doc:"The domain of the senders." example:"mail.example.com"`
	Stream   string          `json:"stream" enum:"product,marketing" doc:"product: people wait for its mail. marketing: they do not."`
	Verified *bool           `json:"verified" doc:"Whether SES accepts mail from it; null: SES did not say."`
	Records  []dnsRecordBody `json:"records" doc:"The DNS records that it needs. Without an answer of SES, those of DKIM are not known."`
}

type dnsRecordBody struct {
	Purpose string   `json:"purpose" enum:"dkim,mail_from,spf,dmarc" doc:"What it is for. mail_from: bounces reach SES."`
	Type    string   `json:"type" enum:"CNAME,MX,TXT" doc:"Its type."`
	Name    string   `json:"name" doc:"Its name." example:"_dmarc.mail.example.com"`
	Wanted  string   `json:"wanted" doc:"The value that it needs." example:"v=DMARC1; p=none"`
	Found   []string `json:"found" doc:"The values that DNS has now." example:"[\"v=DMARC1; p=none\"]"`
	Status  string   `json:"status" enum:"ok,missing,different,unknown" doc:"missing: there is no such record. different: it does not do what is needed. unknown: DNS did not answer."`
	ToDo    string   `json:"to_do" doc:"What to do; empty if it is ok." example:"Make the TXT record _dmarc.mail.example.com with the value v=DMARC1; p=none."`
}

type marketingBody struct {
	Pauses []marketingPauseBody `json:"pauses" doc:"The databases in which marketing is paused; empty: in none. resumeMarketing ends it in all."`
}

type marketingPauseBody struct {
	Database string      `json:"database" doc:"The database." example:"home"`
	PausedAt clock.Stamp `json:"paused_at" format:"date-time" doc:"Since when."`
	PausedBy string      `json:"paused_by" doc:"#MarketingPause.paused_by" example:"mail-feedback"`
	Reason   string      `json:"reason" doc:"Why; may be empty." example:"Too many complaints."`
}

// askAtMost is how long the databases may take to answer.
const askAtMost = 5 * time.Second

func getDeliverability(c *edge.Call, _ *struct{}) (*deliverabilityOutput, error) {
	var (
		report deliverability.Report
		group  sync.WaitGroup
	)
	group.Go(func() { report = deliverability.Look(c, c.Hosts.Resolver, c.Mail) })
	pauses, shown, silent := reputations(c)
	group.Wait()
	out := new(deliverabilityOutput)
	b := &out.Body
	b.Transport, b.Domain = c.Mail.Transport(), c.Mail.Domain
	if a := report.Account; a != nil {
		b.Account = &mailAccountBody{Sandbox: a.Sandbox, Enforcement: a.Enforcement, Sending: a.Sending, PerSecond: a.PerSecond, Sent: a.Sent}
		if a.PerDay >= 0 {
			b.Account.PerDay = &a.PerDay
		}
	}
	b.Domains = []mailDomainBody{}
	for _, d := range report.Domains {
		b.Domains = append(b.Domains, mailDomainBody{d.Name, d.Stream, d.Verified, showRecords(d.Records)})
	}
	b.Marketing.Pauses, b.Streams, b.Problems = pauses, shown, append([]string{}, report.Problems...)
	for _, database := range silent {
		b.Problems = append(b.Problems, "The database "+database+" did not answer, so it is not known whether it sends marketing, and its mails are not counted. Ask again.")
	}
	return out, nil
}

func showRecords(records []deliverability.Record) []dnsRecordBody {
	list := []dnsRecordBody{}
	for _, r := range records {
		list = append(list, dnsRecordBody{r.Purpose, r.Type, r.Name, r.Wanted, append([]string{}, r.Found...), r.Status, r.ToDo})
	}
	return list
}
