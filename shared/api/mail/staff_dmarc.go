package mail

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/mail/dmarc"
)

// KeepDMARC is POST /v1/staff/dmarc-reports.
var KeepDMARC = edge.Write[dmarcInput, dmarcOutput]{
	Op: edge.Op{
		ID: "createDmarcReport", Method: http.MethodPost, Path: "/v1/staff/dmarc-reports", Function: function, Acts: edge.OnPlatform,
		Example:    `{"message":"PGZlZWRiYWNrPjxyZXBvcnRfbWV0YWRhdGE+PG9yZ19uYW1lPnJlY2VpdmVyLmV4YW1wbGU8L29yZ19uYW1lPjxyZXBvcnRfaWQ+MTwvcmVwb3J0X2lkPjxkYXRlX3JhbmdlPjxiZWdpbj4xNzk1MjE5MjAwPC9iZWdpbj48ZW5kPjE3OTUzMDU1OTk8L2VuZD48L2RhdGVfcmFuZ2U+PC9yZXBvcnRfbWV0YWRhdGE+PHBvbGljeV9wdWJsaXNoZWQ+PGRvbWFpbj5tYWlsLmV4YW1wbGUuY29tPC9kb21haW4+PHA+bm9uZTwvcD48L3BvbGljeV9wdWJsaXNoZWQ+PHJlY29yZD48cm93Pjxzb3VyY2VfaXA+MTkyLjAuMi4xPC9zb3VyY2VfaXA+PGNvdW50PjEyPC9jb3VudD48cG9saWN5X2V2YWx1YXRlZD48ZGlzcG9zaXRpb24+bm9uZTwvZGlzcG9zaXRpb24+PGRraW0+cGFzczwvZGtpbT48c3BmPnBhc3M8L3NwZj48L3BvbGljeV9ldmFsdWF0ZWQ+PC9yb3c+PGlkZW50aWZpZXJzPjxoZWFkZXJfZnJvbT5tYWlsLmV4YW1wbGUuY29tPC9oZWFkZXJfZnJvbT48L2lkZW50aWZpZXJzPjwvcmVjb3JkPjwvZmVlZGJhY2s+"}`,
		Permission: auth.MailWrite, Cost: 20, Audit: "dmarc_report.create", MaxBody: 3 << 20, Tag: Tag, Summary: "Hand in a DMARC report",
		Description: "#createDmarcReport",
	},
	Handle: keepDMARC,
}

// ListDMARCSources is GET /v1/staff/dmarc-sources.
var ListDMARCSources = edge.Global[listSourcesInput, listSourcesOutput]{
	Op: edge.Op{
		ID: "listDmarcSources", Method: http.MethodGet, Path: "/v1/staff/dmarc-sources", Function: function, Acts: edge.OnAll,
		Permission: auth.MailRead, Cost: 5, Access: edge.NoRecords, Tag: Tag, Summary: "List who sends in the name of your domains",
		Description: "#listDmarcSources",
	},
	Handle: listSources,
}

type dmarcInput struct {
	Body struct {
		Message string `json:"message" minLength:"1" doc:"The mail with the report as it came, or the report itself as XML, zip or gzip, in base64; at most 2 MiB." example:"H4sIAAAAAAAA"`
	}
	report dmarc.Report
}

type dmarcOutput struct {
	Body struct {
		Organization string      `json:"organization" doc:"Who reports, as it calls itself." example:"receiver.example"`
		ReportID     string      `json:"report_id" doc:"The id that it gave the report." example:"2026-11-21.7"`
		Domain       string      `json:"domain" doc:"The domain that the report is about." example:"mail.example.com"`
		Policy       string      `json:"policy" enum:"none,quarantine,reject" doc:"The policy of the domain that the receiver found."`
		BeginsAt     clock.Stamp `json:"begins_at" format:"date-time" doc:"When the time begins that it is about."`
		EndsAt       clock.Stamp `json:"ends_at" format:"date-time" doc:"When that time ends."`
		Mails        int         `json:"mails" doc:"How many mails it is about." example:"13"`
		NotAligned   int         `json:"not_aligned" doc:"How many of them did not pass DMARC." example:"1"`
		Repeated     bool        `json:"repeated" doc:"Whether the report was there already: it counts once."`
	}
}

type listSourcesInput struct {
	edge.Page
	Since   time.Time `query:"since" doc:"Only reports about a time that begins at this time or later; 30 days ago if you do not say." example:"2026-11-01T00:00:00Z"`
	Until   time.Time `query:"until" doc:"Only reports about a time that begins before this time; now if you do not say." example:"2026-12-01T00:00:00Z"`
	Domain  string    `query:"domain" maxLength:"253" doc:"Only reports about this domain." example:"mail.example.com"`
	Aligned string    `query:"aligned" enum:"true,false" doc:"Only mails that passed DMARC, or only those that did not."`
}

type dmarcSourceBody struct {
	Source      string `json:"source" doc:"The IP address from which the mails came." example:"192.0.2.1"`
	Aligned     bool   `json:"aligned" doc:"Whether the mails passed DMARC: DKIM or SPF passed, for the domain of the sender that people see."`
	Mails       int64  `json:"mails" doc:"How many mails there were." example:"12"`
	DKIM        int64  `json:"dkim" doc:"For how many of them DKIM passed." example:"12"`
	SPF         int64  `json:"spf" doc:"For how many of them SPF passed." example:"12"`
	Quarantined int64  `json:"quarantined" doc:"How many of them receivers marked as spam." example:"0"`
	Rejected    int64  `json:"rejected" doc:"How many of them receivers refused." example:"0"`
	Reports     int64  `json:"reports" doc:"How many reports name the address." example:"2"`
	HeaderFrom  string `json:"header_from" doc:"The domain in whose name they were sent; one of several." example:"mail.example.com"`
}

type listSourcesOutput struct{ Body edge.List[dmarcSourceBody] }

// Resolve hands the input to the frame.
func (in *dmarcInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *dmarcInput) Check(c *edge.Call) error {
	content, err := base64.StdEncoding.DecodeString(in.Body.Message)
	if err != nil {
		return fault.InvalidField("body.message", "must be base64")
	}
	if in.report, err = dmarc.ReadAny(content); err != nil {
		return fault.InvalidField("body.message", err.Error())
	}
	switch now := c.Now(); {
	case in.report.End.Before(now.Add(-dmarc.KeepFor)):
		return fault.InvalidField("body.message", "is about a time more than 90 days ago, which is not kept")
	case in.report.Begin.After(now.Add(24 * time.Hour)):
		return fault.InvalidField("body.message", "is about a time in the future")
	}
	return nil
}

func keepDMARC(c *edge.Call, in *dmarcInput) (*dmarcOutput, error) {
	r, out := in.report, &dmarcOutput{}
	isNew, err := dmarc.Keep(c, c.Tx, r)
	if err != nil {
		return nil, err
	}
	b := &out.Body
	b.Organization, b.ReportID, b.Domain, b.Policy, b.Repeated = r.Organization, r.ID, r.Domain, r.Policy, !isNew
	b.BeginsAt, b.EndsAt = clock.Stamp(r.Begin), clock.Stamp(r.End)
	for _, row := range r.Rows {
		b.Mails += row.Count
		if !row.Aligned() {
			b.NotAligned += row.Count
		}
	}
	digest := sha256.Sum256([]byte(r.Organization + "\n" + r.ID + "\n" + r.Domain))
	c.Audit(nil, audit.Fields{"organization": r.Organization, "report_id": r.ID, "domain": r.Domain, "mails": b.Mails, "repeated": b.Repeated},
		audit.Target{Type: "dmarc_report", ID: hex.EncodeToString(digest[:])})
	return out, nil
}

// Resolve hands the input to the frame.
func (in *listSourcesInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *listSourcesInput) Check(c *edge.Call) error {
	if in.Until.IsZero() {
		in.Until = c.Now()
	}
	if in.Since.IsZero() {
		in.Since = in.Until.Add(-30 * 24 * time.Hour)
	}
	err := edge.CheckText("query.domain", &in.Domain)
	if !in.Since.Before(in.Until) {
		err = fault.Join(err, fault.InvalidField("query.since", "must be before until"))
	}
	return err
}

func listSources(c *edge.Call, in *listSourcesInput) (*listSourcesOutput, error) {
	f := dmarc.SourceFilter{Since: in.Since, Until: in.Until, Domain: strings.ToLower(in.Domain)}
	if in.Aligned != "" {
		f.Aligned = new(in.Aligned == "true")
	}
	plain, err := c.TextPosition("dmarc_sources", in.After)
	if err != nil {
		return nil, err
	}
	if plain != "" {
		address, aligned, _ := strings.Cut(plain, " ")
		f.After = &dmarc.Source{Source: netip.MustParseAddr(address), Aligned: aligned == "true"} // the cursor is sealed
	}
	list, err := dmarc.ListSources(c, c.DB.Shared(), f, in.Limit+1)
	if err != nil {
		return nil, err
	}
	show := func(s dmarc.Source) dmarcSourceBody {
		return dmarcSourceBody{s.Source.String(), s.Aligned, s.Mails, s.DKIM, s.SPF, s.Quarantined, s.Rejected, s.Reports, s.HeaderFrom}
	}
	return &listSourcesOutput{Body: edge.ListOf(list, in.Limit, show, func(last dmarc.Source) *string {
		text := last.Source.String() + " false"
		if last.Aligned {
			text = last.Source.String() + " true"
		}
		return c.TextCursor("dmarc_sources", []byte(text))
	})}, nil
}
