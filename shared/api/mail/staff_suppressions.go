package mail

import (
	"net/http"
	"strings"
	"unicode"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/mail/transport"
)

const suppressionsPath = "/v1/staff/mail-suppressions"

// ListSuppressions is GET /v1/staff/mail-suppressions.
var ListSuppressions = edge.Global[listSuppressionsInput, listSuppressionsOutput]{
	Op: edge.Op{
		ID: "listMailSuppressions", Method: http.MethodGet, Path: suppressionsPath, Function: function, Acts: edge.OnAll,
		Permission: auth.MailRead, Cost: 1, Access: "mail_suppression.read", Tag: Tag, Summary: "List addresses that get no mail",
		Description: "#listMailSuppressions",
	},
	Handle: listSuppressions,
}

// GetSuppression is GET /v1/staff/mail-suppressions/{id}.
var GetSuppression = edge.Global[SuppressionPath, suppressionOutput]{
	Op: edge.Op{
		ID: "getMailSuppression", Method: http.MethodGet, Path: suppressionsPath + "/{id}", Function: function, Acts: edge.OnAll,
		Faults:     []*fault.Error{mail.ErrNotSuppressed},
		Permission: auth.MailRead, Cost: 1, Access: "mail_suppression.read", Tag: Tag, Summary: "Get why an address gets no mail",
	},
	Handle: func(c *edge.Call, in *SuppressionPath) (*suppressionOutput, error) {
		s, err := mail.GetSuppression(c, c.DB.Shared(), in.ID)
		return &suppressionOutput{Body: showSuppression(s)}, err
	},
}

// Suppress is POST /v1/staff/mail-suppressions.
var Suppress = edge.Write[suppressInput, suppressionOutput]{
	Op: edge.Op{
		ID: "createMailSuppression", Method: http.MethodPost, Path: suppressionsPath, Function: function, Acts: edge.OnPlatform,
		Example:    `{"recipient":"ada@example.com","reason":"asked for it by phone"}`,
		Permission: auth.MailWrite, Cost: 1, Audit: "mail_suppression.create", Status: http.StatusCreated,
		Tag: Tag, Summary: "Keep an address from getting mail",
		Description: "In all streams, until it is removed. It may be repeated: the last reason stays.",
	},
	Handle: suppress,
}

// Unsuppress is POST /v1/staff/mail-suppressions/{id}/remove.
var Unsuppress = edge.Write[unsuppressInput, suppressionOutput]{
	Op: edge.Op{
		ID: "removeMailSuppression", Method: http.MethodPost, Path: suppressionsPath + "/{id}/remove", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{mail.ErrNotSuppressed},
		Example:    `{"reason":"the mailbox exists again"}`,
		Permission: auth.MailWrite, Cost: 1, Audit: "mail_suppression.remove", AddsJobs: true, Tag: Tag, Summary: "Let an address get mail again",
		Description: "#removeMailSuppression",
	},
	Handle: unsuppress,
}

// SuppressionPath names an entry.
type SuppressionPath struct {
	ID id.Suppression `path:"id" doc:"The entry's id." example:"sup_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type listSuppressionsInput struct {
	edge.Page
	Recipient string `query:"recipient" maxLength:"320" doc:"Only this address, in capitals or not, the domain in any spelling." example:"ada@example.com"`
	Starts    string `query:"starts" maxLength:"320" doc:"Only addresses that start like this, in capitals or not; ASCII only, because domains are kept in ASCII." example:"ada@"`
}

type suppressInput struct {
	Body struct {
		Recipient string `json:"recipient" minLength:"1" maxLength:"320" doc:"The mail address." example:"ada@example.com"`
		Reason    string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for people." example:"asked for it by phone"`
	}
}

type unsuppressInput struct {
	SuppressionPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for the audit log." example:"the mailbox exists again"`
	}
}

// SuppressionBody says that an address gets no mail, for one reason.
type SuppressionBody struct {
	ID        id.Suppression `json:"id" doc:"The entry's id." example:"sup_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Recipient string         `json:"recipient" doc:"The mail address, in lower case, the domain in ASCII." example:"ada@example.com"`
	Cause     string         `json:"cause" enum:"bounce,complaint,delays,staff" doc:"#MailSuppression.cause"`
	Note      string         `json:"note" doc:"Why, for people; may be empty." example:"Permanent General: smtp; 550 5.1.1 user unknown"`
	EnteredBy *string        `json:"entered_by" doc:"The id of who entered it; null: Portico itself." example:"staff_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	CreatedAt clock.Stamp    `json:"created_at" format:"date-time" doc:"When it was entered."`
	EndsAt    *clock.Stamp   `json:"ends_at" format:"date-time" doc:"When mail is sent again; null: when staff remove the entry. An entry that has ended is removed within a day."`
}

type (
	suppressionOutput      struct{ Body SuppressionBody }
	listSuppressionsOutput struct{ Body edge.List[SuppressionBody] }
)

func showSuppression(s mail.Suppression) SuppressionBody {
	return SuppressionBody{
		ID: s.ID, Recipient: s.Recipient, Cause: s.Reason, Note: s.Note, EnteredBy: s.EnteredBy,
		CreatedAt: clock.Stamp(s.CreatedAt), EndsAt: clock.StampOf(s.EndsAt),
	}
}

func suppressionFields(s mail.Suppression) audit.Fields {
	return audit.Fields{"recipient": s.Recipient, "cause": s.Reason, "note": s.Note}
}

// Resolve hands the input to the frame.
func (in *listSuppressionsInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *listSuppressionsInput) Check(*edge.Call) error {
	err := fault.Join(edge.CheckText("query.recipient", &in.Recipient), edge.CheckText("query.starts", &in.Starts))
	if strings.ContainsFunc(in.Starts, func(r rune) bool { return r > unicode.MaxASCII }) {
		err = fault.Join(err, fault.InvalidField("query.starts", "has other characters than ASCII: domains are kept as xn--…; give the whole address as recipient instead"))
	}
	return err
}

// Resolve hands the input to the frame.
func (in *suppressInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *suppressInput) Check(*edge.Call) error {
	err := edge.CheckText("body.reason", &in.Body.Reason)
	if wrong := transport.CheckAddress(in.Body.Recipient); wrong != nil {
		err = fault.Join(err, fault.InvalidField("body.recipient", wrong.Error()))
	}
	return err
}

// Resolve hands the input to the frame.
func (in *unsuppressInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *unsuppressInput) Check(*edge.Call) error {
	return edge.CheckText("body.reason", &in.Body.Reason)
}

func listSuppressions(c *edge.Call, in *listSuppressionsInput) (*listSuppressionsOutput, error) {
	f := mail.SuppressionFilter{Recipient: in.Recipient, Starts: in.Starts}
	plain, err := c.TextPosition("mail_suppressions", in.After)
	if err != nil {
		return nil, err
	}
	f.AfterRecipient, f.AfterReason, _ = strings.Cut(plain, " ")
	list, err := mail.ListSuppressions(c, c.DB, f, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listSuppressionsOutput{Body: edge.ListOf(list, in.Limit, showSuppression, func(last mail.Suppression) *string {
		return c.TextCursor("mail_suppressions", []byte(last.Recipient+" "+last.Reason))
	})}, nil
}

func suppress(c *edge.Call, in *suppressInput) (*suppressionOutput, error) {
	actor := c.Caller.Actor.ID
	s, err := mail.SuppressByStaff(c, c.Tx, c.DB, mail.Suppression{Recipient: in.Body.Recipient, Reason: mail.Staff, Note: in.Body.Reason, EnteredBy: &actor})
	if err != nil {
		return nil, err
	}
	c.Audit(nil, suppressionFields(s), audit.Of("mail_suppression", s.ID))
	return &suppressionOutput{Body: showSuppression(s)}, nil
}

func unsuppress(c *edge.Call, in *unsuppressInput) (*suppressionOutput, error) {
	s, err := mail.Unsuppress(c, c.Tx, c.DB, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(suppressionFields(s), audit.Fields{"reason": in.Body.Reason}, audit.Of("mail_suppression", s.ID))
	return &suppressionOutput{Body: showSuppression(s)}, nil
}
