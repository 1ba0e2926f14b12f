package mail

import (
	"encoding/base64"
	"errors"
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/mail/feedback"
)

// Report is POST /v1/staff/mail-reports.
var Report = edge.Write[reportInput, reportOutput]{
	Op: edge.Op{
		ID: "reportMail", Method: http.MethodPost, Path: "/v1/staff/mail-reports", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{mail.ErrNotFound},
		Example:    `{"message":"RnJvbTogTUFJTEVSLURBRU1PTkBteC5leGFtcGxlLm9yZwpDb250ZW50LVR5cGU6IG11bHRpcGFydC9yZXBvcnQ7IGJvdW5kYXJ5PWIKCi0tYgpDb250ZW50LVR5cGU6IG1lc3NhZ2UvZGVsaXZlcnktc3RhdHVzCgpSZXBvcnRpbmctTVRBOiBkbnM7IG14LmV4YW1wbGUub3JnCgpGaW5hbC1SZWNpcGllbnQ6IHJmYzgyMjsgYWRhQGV4YW1wbGUub3JnCkFjdGlvbjogZmFpbGVkClN0YXR1czogNS4xLjEKCi0tYgpDb250ZW50LVR5cGU6IHRleHQvcmZjODIyLWhlYWRlcnMKClgtUG9ydGljby1NYWlsOiBtYWlsXzAxamRmM3o5azJlNG52NnhxOHIwczF0MnYzCgotLWItLQo="}`,
		Permission: auth.MailWrite, Cost: 1, Audit: "mail.report", MaxBody: 2 << 20, Tag: Tag, Summary: "Hand in a report about a mail",
		Description: "#reportMail",
	},
	Handle: report,
}

type reportInput struct {
	Body struct {
		Message string `json:"message" minLength:"1" doc:"The mail with the report, as it came over the wire, in base64; at most 1 MiB." example:"RnJvbTogTUFJTEVSLURBRU1PTkBleGFtcGxlLm9yZwo="`
	}
}

type reportOutput struct {
	Body struct {
		MailID id.Mail `json:"mail_id" doc:"The mail that it is about." example:"mail_01jdf3z9k2e4nv6xq8r0s1t2v3"`
		Status string  `json:"status" enum:"delivered,delayed,bounced,complained" doc:"What it says about the mail."`
		Detail string  `json:"detail" doc:"Why, in the words of the server; may be empty." example:"550 5.1.1 user unknown"`
	}
}

func report(c *edge.Call, in *reportInput) (*reportOutput, error) {
	message, err := base64.StdEncoding.DecodeString(in.Body.Message)
	if err != nil {
		return nil, fault.InvalidField("body.message", "must be base64")
	}
	r, err := feedback.ReadMessage(message)
	if errors.Is(err, feedback.ErrNotOurs) {
		return nil, fault.InvalidField("body.message", "names no mail that Portico sent: it needs a copy of that mail's header X-Portico-Mail or Message-ID")
	}
	if err != nil {
		return nil, fault.InvalidField("body.message", err.Error())
	}
	if _, err := mail.Find(c, c.DB, r.Mail); err != nil {
		return nil, err
	}
	if err := c.Report(c, r); err != nil {
		return nil, err
	}
	out := &reportOutput{}
	out.Body.MailID, out.Body.Status, out.Body.Detail = r.Mail, string(r.What), r.Detail
	c.Audit(nil, audit.Fields{"status": out.Body.Status, "detail": r.Detail}, audit.Of("mail", r.Mail))
	return out, nil
}
