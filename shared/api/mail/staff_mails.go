package mail

import (
	"encoding/binary"
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/mail"
)

// List is GET /v1/staff/mails.
var List = edge.Global[listInput, listOutput]{
	Op: edge.Op{
		ID: "listMails", Method: http.MethodGet, Path: "/v1/staff/mails", Function: function, Acts: edge.OnAll,
		Permission: auth.MailRead, Cost: 1, Access: "mail.read", Tag: Tag, Summary: "List the mails of all organizations",
		Description: "#listMails",
	},
	Handle: list,
}

// Get is GET /v1/staff/mails/{id}.
var Get = edge.Global[mailPath, mailOutput]{
	Op: edge.Op{
		ID: "getMail", Method: http.MethodGet, Path: "/v1/staff/mails/{id}", Function: function, Acts: edge.OnAll,
		Faults:     []*fault.Error{mail.ErrNotFound},
		Permission: auth.MailRead, Cost: 1, Access: "mail.read", Tag: Tag, Summary: "Get a mail of any organization",
	},
	Handle: get,
}

type mailPath struct {
	ID id.Mail `path:"id" doc:"The mail's id." example:"mail_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type listInput struct {
	edge.Page
	OrganizationID id.Org    `query:"organization_id" doc:"Only mails of this organization." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Recipient      string    `query:"recipient" maxLength:"320" doc:"Only mails to this address, in capitals or not." example:"ada@example.com"`
	Status         string    `query:"status" enum:"queued,sending,sent,delivered,delayed,bounced,complained,suppressed,rejected,failed,unknown" doc:"Only mails with this status."`
	Template       string    `query:"template" maxLength:"100" doc:"Only mails made from this template." example:"member_added"`
	Stream         string    `query:"stream" enum:"product,marketing" doc:"Only mails of this stream. product: people wait for them."`
	Since          time.Time `query:"since" doc:"Only mails that were to be sent at this time or later." example:"2026-11-01T00:00:00Z"`
	Until          time.Time `query:"until" doc:"Only mails that were to be sent before this time." example:"2026-12-01T00:00:00Z"`
}

// MailBody is a mail in the log.
type MailBody struct {
	ID              id.Mail     `json:"id" doc:"The mail's id." example:"mail_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	OrganizationID  *id.Org     `json:"organization_id" doc:"The organization for which it is sent; null: it is about a user's own account." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Status          string      `json:"status" enum:"queued,sending,sent,delivered,delayed,bounced,complained,suppressed,rejected,failed,unknown" doc:"#Mail.status"`
	StatusAt        clock.Stamp `json:"status_at" format:"date-time" doc:"When its status last changed."`
	Error           *string     `json:"error" doc:"Why it was not sent or did not arrive; null if there is no reason." example:"The address gets no mail at the moment (bounce)."`
	Stream          string      `json:"stream" enum:"product,marketing" doc:"product: people wait for it. marketing: they do not."`
	Template        string      `json:"template" doc:"The template from which it is made." example:"member_added"`
	TemplateVersion *string     `json:"template_version" doc:"The version of the template; null: it is not made yet." example:"3f1c0a9be712"`
	Category        string      `json:"category" doc:"What a person unsubscribes from; empty for critical mail, which everybody gets." example:"webhooks"`
	Locale          string      `json:"locale" doc:"The wanted language; once it is made, the one that it is in." example:"de"`
	Recipient       string      `json:"recipient" doc:"The mail address; empty if the mail was expunged." example:"ada@example.com"`
	RecipientName   string      `json:"recipient_name" doc:"The name that is shown with it; may be empty." example:"Ada"`
	Expunged        bool        `json:"expunged" doc:"Whether its organization has removed all that leads to the recipient."`
	Key             string      `json:"key" doc:"Unique in the organization: a second mail with this key is not sent." example:"member/mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Handovers       int         `json:"handovers" doc:"How often it was handed to a service that does not recognise a repetition. More than once: it may have been sent twice." example:"1"`
	ProviderID      *string     `json:"provider_id" doc:"The id that the mail service gave it; null: none yet." example:"0100018f2a-7c1e"`
	CreatedAt       clock.Stamp `json:"created_at" format:"date-time" doc:"When it was to be sent."`
}

type (
	listOutput struct{ Body edge.List[MailBody] }
	mailOutput struct{ Body MailBody }
)

func organizationOf(m mail.Logged) *id.Org {
	if m.OrgID.IsZero() {
		return nil
	}
	return &m.OrgID
}

func show(m mail.Logged) MailBody {
	return MailBody{
		ID: m.ID, OrganizationID: organizationOf(m), Status: m.Status, StatusAt: clock.Stamp(m.StatusAt), Error: m.Error, Stream: m.Stream,
		Template: m.Template, TemplateVersion: m.TemplateVersion, Category: m.Category, Locale: m.Locale,
		Recipient: m.Recipient, RecipientName: m.RecipientName, Expunged: m.IsExpunged(), Key: m.Key, Handovers: int(m.Handovers), ProviderID: m.ProviderID,
		CreatedAt: clock.Stamp(m.CreatedAt),
	}
}

// Resolve hands the input to the frame.
func (in *listInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *listInput) Check(*edge.Call) error {
	return fault.Join(edge.CheckText("query.recipient", &in.Recipient), edge.CheckText("query.template", &in.Template))
}

func list(c *edge.Call, in *listInput) (*listOutput, error) {
	f := mail.Filter{
		Org: in.OrganizationID, Recipient: in.Recipient, Status: in.Status, Template: in.Template, Stream: in.Stream, Since: in.Since, Until: in.Until,
	}
	plain, err := c.TextPosition("mails", in.After)
	if err != nil {
		return nil, err
	}
	if plain != "" {
		f.Before.At = time.UnixMicro(int64(binary.BigEndian.Uint64([]byte(plain))))
		copy(f.Before.ID.UUID[:], plain[8:])
	}
	mails, scanned, err := mail.ListAll(c, c.DB, f, in.Limit+1)
	if err != nil {
		return nil, err
	}
	next := func(at mail.Position) *string {
		text := binary.BigEndian.AppendUint64(nil, uint64(at.At.UnixMicro())) // Postgres keeps no more
		return c.TextCursor("mails", append(text, at.ID.UUID[:]...))
	}
	out := edge.ListOf(mails, in.Limit, show, func(last mail.Logged) *string { return next(mail.Position{At: last.CreatedAt, ID: last.ID}) })
	if out.Next == nil && !scanned.ID.IsZero() {
		out.Next = next(scanned)
	}
	return &listOutput{Body: out}, nil
}

func get(c *edge.Call, in *mailPath) (*mailOutput, error) {
	m, err := mail.Find(c, c.DB, in.ID)
	return &mailOutput{Body: show(m)}, err
}
