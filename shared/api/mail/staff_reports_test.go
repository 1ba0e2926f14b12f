package mail_test

import (
	"encoding/base64"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// bounce returns a report that a mail could not be delivered, in base64.
func bounce(mail string) string {
	return base64.StdEncoding.EncodeToString([]byte("Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n" +
		"Final-Recipient: rfc822; victim@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n" +
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <" + mail + "@mail.example.com>\r\nTo: victim@example.com\r\n\r\n--b--\r\n"))
}

// A bounce that staff hand in does what a report of a mail service does: the mail's
// status, and no more mail to the address that it was sent to, whatever address the
// report names.
func TestReportMail(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	sent := acme.NewMail("ada@example.com", "a").String()
	testkit.Must(t, exec(h, `UPDATE mail SET status = 'sent'`))
	for _, tt := range []struct {
		name, body string
		as         apitest.Caller
		want       string
	}{
		{"as a customer", `{"message":"` + bounce(sent) + `"}`, acme, `403 staff_only`},
		{"nothing", `{}`, staff, `422 body.message`},
		{"no base64", `{"message":"???"}`, staff, `422 body.message base64`},
		{"no report", `{"message":"` + base64.StdEncoding.EncodeToString([]byte("Subject: hello\r\n\r\nhello")) + `"}`, staff, `422 body.message neither RFC`},
		{"about no mail of ours", `{"message":"` + bounce("x") + `"}`, staff, `422 body.message "names no mail that Portico sent`},
		{"about a mail that is missing", `{"message":"` + bounce(missing) + `"}`, staff, `404 mail_not_found`},
		{"a bounce", `{"message":"` + bounce(sent) + `"}`, staff, `200 "mail_id":"` + sent + `" "status":"bounced" "detail":"550 5.1.1 user unknown"`},
		{"again", `{"message":"` + bounce(sent) + `"}`, staff, `200 "status":"bounced"`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("POST", "/v1/staff/mail-reports", tt.body), tt.want) })
	}
	apitest.Want(t, staff.Do("GET", "/v1/staff/mails/"+sent, ""), `200 "status":"bounced" "error":"550 5.1.1 user unknown"`)
	got := testkit.Value[string](t, h.Database, `SELECT string_agg(recipient || ' ' || reason, ', ') FROM mail_suppression`)
	if got != "ada@example.com bounce" {
		t.Errorf("suppressed: %s", got)
	}
}
