package mail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/mail/inspect"
)

// Inspect is POST /v1/staff/mail-inspections.
var Inspect = edge.Write[inspectInput, inspectOutput]{
	Op: edge.Op{
		ID: "inspectMail", Method: http.MethodPost, Path: "/v1/staff/mail-inspections", Function: function, Acts: edge.OnPlatform,
		Example:    `{"source":"From: Acme <notices@mail.example.com>\r\nTo: ada@example.org\r\nSubject: Hello\r\n\r\nHello\r\n"}`,
		Permission: auth.MailWrite, Cost: 20, Audit: "mail_inspection.create", MaxBody: 3 << 20, Tag: Tag, Summary: "Inspect a mail that arrived",
		Description: "#inspectMail",
	},
	Handle: inspected,
}

// inspectTimeout bounds all look-ups of an inspection together.
const inspectTimeout = 5 * time.Second

type inspectInput struct {
	Body struct {
		Source string `json:"source" minLength:"1" doc:"The source of the mail, as a mail program shows it: all headers, an empty line, and the body; at most 2 MiB." example:"From: Acme <notices@mail.example.com>\r\n\r\nHello\r\n"`
	}
	report inspect.Report
}

type inspectOutput struct {
	Body struct {
		From       string          `json:"from" doc:"The domain of the sender that people see." example:"mail.example.com"`
		Signatures []signatureBody `json:"signatures" doc:"The DKIM signatures, at most ten."`
		SPF        spfBody         `json:"spf" doc:"SPF, as the receiver recorded it."`
		DMARC      dmarcBody       `json:"dmarc" doc:"The sender's policy, and whether this mail satisfies it."`
		Problems   []string        `json:"problems" doc:"What is wrong, each with what to do; empty: all is well." example:"[\"The receiver recorded no result of SPF.\"]"`
	}
}

type signatureBody struct {
	Domain  string   `json:"domain" doc:"Who signed." example:"mail.example.com"`
	Headers []string `json:"headers" doc:"The headers that it covers." example:"[\"From\",\"List-Unsubscribe-Post\"]"`
	Valid   bool     `json:"valid" doc:"Whether it is right."`
	Aligned bool     `json:"aligned" doc:"Whether its domain belongs to the sender's."`
	Error   string   `json:"error" doc:"Why it is not valid; empty if it is." example:"dkim: body hash did not verify"`
}

type spfBody struct {
	Result  string `json:"result" doc:"Such as pass; empty: the receiver recorded none." example:"pass"`
	Domain  string `json:"domain" doc:"The domain of the envelope's sender." example:"bounce.mail.example.com"`
	Aligned bool   `json:"aligned" doc:"Whether it belongs to the sender's."`
}

type dmarcBody struct {
	Policy string `json:"policy" doc:"none, quarantine or reject; empty: there is no record." example:"quarantine"`
	Passes bool   `json:"passes" doc:"Whether the mail satisfies it."`
}

// Resolve hands the input to the frame.
func (in *inspectInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

// Check inspects the mail. It does so here, because DNS may be slow and no
// transaction is open yet.
func (in *inspectInput) Check(c *edge.Call) (err error) {
	if in.Body.Source == "" {
		return nil // the schema says so
	}
	ctx, cancel := context.WithTimeout(c, inspectTimeout)
	defer cancel()
	in.report, err = inspect.Message([]byte(in.Body.Source), func(name string) ([]string, error) {
		return c.Hosts.Resolver.LookupTXT(ctx, strings.TrimSuffix(name, ".")+".") // the dot keeps the machine's search domains out
	})
	if f := fault.Of(err); f != nil && len(f.Fields) == 1 {
		return fault.InvalidField("body.source", f.Fields[0].Message)
	}
	return err
}

func inspected(c *edge.Call, in *inspectInput) (*inspectOutput, error) {
	r, out := in.report, new(inspectOutput)
	out.Body.From, out.Body.SPF, out.Body.DMARC = r.From, spfBody(r.SPF), dmarcBody(r.DMARC)
	out.Body.Signatures, out.Body.Problems = []signatureBody{}, append([]string{}, r.Problems...)
	for _, s := range r.Signatures {
		out.Body.Signatures = append(out.Body.Signatures, signatureBody{s.Domain, append([]string{}, s.Headers...), s.Valid, s.Aligned, s.Error})
	}
	digest := sha256.Sum256([]byte(in.Body.Source))
	c.Audit(nil, audit.Fields{"problems": len(r.Problems), "passes": r.DMARC.Passes}, audit.Target{Type: "mail_source", ID: hex.EncodeToString(digest[:])})
	return out, nil
}
