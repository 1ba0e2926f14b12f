package mail_test

import (
	"context"
	"testing"

	"portico/infra/local/aws/awstest"
	"portico/infra/local/template"
	"portico/shared/api/apitest"
	"portico/shared/mail/deliverability"
	"portico/shared/mail/transport"
	"portico/shared/testkit"
)

// Staff see which records there are, the account and where marketing is paused. A
// service that is away is no error.
func TestDeliverability(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	const path = "/v1/staff/deliverability"
	apitest.Want(t, acme.Do("GET", path, ""), `403 staff_only`)
	apitest.Want(t, staff.Do("GET", path, ""), `200 "transport":"none" "domain":"" "account":null "domains":[] "pauses":[] Mail does not leave`)

	services, url := awstest.Server(t)
	services.SetSES(template.SES{Identities: []template.Identity{{Domain: "mail.example.com"}, {Domain: "news.example.com"}}})
	use := func(url string) {
		ses := transport.NewSES(testkit.AWS(url), "")
		h.Server.Mail = deliverability.Setup{
			Domain: "example.com", Region: "us-east-1", Policy: "none",
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
	use(url)
	h.Names.Set("_dmarc.mail.example.com", "v=DMARC1; p=none")
	h.Names.Set("_dmarc.news.example.com", "v=DMARC1; p=reject")
	h.Database.Exec(t, `INSERT INTO job_kind (kind, paused_at, paused_by, pause_reason) VALUES ('mail.send_marketing', portico_now(), 'x', 'Too many complaints.')`)
	apitest.Want(t, staff.Do("GET", path, ""), `200 "transport":"ses" "domain":"example.com" "enforcement":"HEALTHY" "max_per_day":null "verified":true "status":"ok" "status":"missing" "status":"different" "reason":"Too many complaints." "problems":[]`)
	use("http://127.0.0.1:1")
	apitest.Want(t, staff.Do("GET", path, ""), `200 "transport":"ses" "account":null "verified":null "status":"ok" SES did not answer`)
}
