package mail_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// dmarcReport returns a report about the day before at. A row is source, count, dkim, spf.
func dmarcReport(report, domain string, at time.Time, rows ...string) string {
	end := at.Unix()
	xml := fmt.Sprintf(`<feedback><report_metadata><org_name>Receiver</org_name><report_id>%s</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>`+
		`<policy_published><domain>%s</domain><p>quarantine</p></policy_published>`, report, end-86400, end, domain)
	for _, row := range rows {
		f := strings.Fields(row)
		disposition := "none"
		if f[2] != "pass" && f[3] != "pass" {
			disposition = "quarantine"
		}
		xml += `<record><row><source_ip>` + f[0] + `</source_ip><count>` + f[1] + `</count><policy_evaluated><disposition>` + disposition + `</disposition><dkim>` + f[2] + `</dkim><spf>` + f[3] + `</spf></policy_evaluated></row>` +
			`<identifiers><header_from>` + domain + `</header_from></identifiers></record>`
	}
	return xml + `</feedback>`
}

func inBase64(content string) string {
	return `{"message":"` + base64.StdEncoding.EncodeToString([]byte(content)) + `"}`
}

func packed(t *testing.T, content string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write([]byte(content))
	testkit.Must(t, err)
	testkit.Must(t, w.Close())
	return out.String()
}

// Reports are handed in as they came, count once, and are added up by address and by
// whether DMARC passed.
func TestDMARC(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff, narrow := h.Organization("Acme"), h.NewStaff(), h.NewStaff()
	now := h.Clock.Now()
	first := dmarcReport("1", "mail.example.com", now, "192.0.2.1 12 pass fail", "192.0.2.1 3 pass pass", "192.0.2.1 1 fail fail", "192.0.2.1 1 fail fail", "2001:db8::7 4 fail fail")
	second := dmarcReport("2", "mail.example.com", now, "192.0.2.1 5 pass pass")
	other := dmarcReport("1", "news.example.com", now, "198.51.100.9 7 fail pass")
	long := dmarcReport("3", "mail.example.com", now.Add(-40*24*time.Hour), "203.0.113.4 9 fail fail")
	mail := "From: dmarc@receiver.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n" +
		"--b\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(packed(t, first))) + "\r\n--b--\r\n"
	for _, tt := range []struct {
		name, body string
		as         apitest.Caller
		want       string
	}{
		{"as a customer", inBase64(first), acme, `403 staff_only`},
		{"nothing", `{}`, staff, `422 body.message`},
		{"no base64", `{"message":"???"}`, staff, `422 body.message base64`},
		{"no report", inBase64("Subject: hello\r\n\r\nhello"), staff, `422 body.message DMARC`},
		{"junk", inBase64("\x00\x01"), staff, `422 body.message`},
		{"cut", inBase64(packed(t, first)[:50]), staff, `422 body.message`},
		{"a bomb", inBase64(packed(t, "<feedback>"+strings.Repeat("<a></a>", 2<<20))), staff, `422 body.message 400000`},
		{"too large", `{"message":"` + strings.Repeat("A", 3<<20) + `"}`, staff, `413 `},
		{"old", inBase64(dmarcReport("9", "mail.example.com", now.Add(-91*24*time.Hour), "192.0.2.1 1 pass pass")), staff, `422 body.message 90`},
		{"of the future", inBase64(dmarcReport("9", "mail.example.com", now.Add(72*time.Hour), "192.0.2.1 1 pass pass")), staff, `422 body.message future`},
		{"a mail", inBase64(mail), staff, `200 "organization":"Receiver" "report_id":"1" "domain":"mail.example.com" "mails":21 "not_aligned":6 "repeated":false`},
		{"the same as XML", inBase64(first), staff, `200 "mails":21 "repeated":true`},
		{"gzip", inBase64(packed(t, second)), narrow, `200 "report_id":"2" "repeated":false`},
		{"of another domain", inBase64(other), staff, `200 "repeated":false`},
		{"of last month", inBase64(long), staff, `200 "repeated":false`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("POST", "/v1/staff/dmarc-reports", tt.body), tt.want) })
	}
	failed := `{"source":"192.0.2.1","aligned":false,"mails":2,"dkim":0,"spf":0,"quarantined":2,"rejected":0,"reports":1,"header_from":"mail.example.com"}`
	passed := `{"source":"192.0.2.1","aligned":true,"mails":20,"dkim":20,"spf":8,"quarantined":0,"rejected":0,"reports":2,"header_from":"mail.example.com"}`
	for _, tt := range []struct {
		name, query string
		as          apitest.Caller
		want        string
	}{
		{"all", "", staff, `200 [` + failed + `,` + passed + `,{"source":"198.51.100.9","aligned":true,"mails":7, {"source":"2001:db8::7","aligned":false,"mails":4, "next":null !203.0.113.4`},
		{"that did not pass", "?aligned=false", staff, `200 ` + failed + ` 2001:db8::7 !198.51.100.9 !"aligned":true`},
		{"of a domain", "?domain=News.example.com", staff, `200 198.51.100.9 !192.0.2.1`},
		{"since", "?since=" + url.QueryEscape(now.Add(-60*24*time.Hour).Format(time.RFC3339)), staff, `200 203.0.113.4 192.0.2.1`},
		{"until", "?until=" + url.QueryEscape(now.Add(-30*24*time.Hour).Format(time.RFC3339)), staff, `200 203.0.113.4 !192.0.2.1`},
		{"backwards", "?since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", staff, `422 query.since`},
		{"aligned or not", "?aligned=x", staff, `422 query.aligned`},
		{"with U+0000", "?domain=%00", staff, `422 query.domain`},
		{"after junk", "?after=x", staff, `422 query.after`},
		{"as a customer", "", acme, `403 staff_only`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("GET", "/v1/staff/dmarc-sources"+tt.query, ""), tt.want) })
	}
	found, after := "", ""
	for range 4 { // one at a time
		var page struct {
			Data []struct{ Source string }
			Next *string
		}
		staff.Do("GET", "/v1/staff/dmarc-sources?limit=1"+after, "").Decode(t, &page)
		found += page.Data[0].Source + " "
		if page.Next != nil {
			after = "&after=" + url.QueryEscape(*page.Next)
		}
	}
	if want := "192.0.2.1 192.0.2.1 198.51.100.9 2001:db8::7 "; found != want {
		t.Errorf("page by page: %s, want %s", found, want)
	}
}

// However many addresses have sent, a page reads about those that it shows.
func TestDMARCSourcesReadLittle(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	h.Exec(`
		WITH r AS (
			INSERT INTO mail_dmarc (organization, report_id, domain, policy, begins_at, ends_at)
			SELECT 'receiver.example', n::text, 'mail.example.com', 'none', portico_now() - interval '1 day', portico_now() FROM generate_series(1, 20) n RETURNING id
		)
		INSERT INTO mail_dmarc_source (report, source, header_from, dkim, spf, disposition, mails)
		SELECT id, '10.0.0.0'::inet + n, 'mail.example.com', n % 100 > 0, false, 'none', 1 FROM r, generate_series(1, 20000) n WHERE n % 20 = id % 20 OR n % 1000 = 0`)
	for name, args := range map[string]string{
		"all":           `NULL, NULL, NULL, NULL`,
		"of a domain":   `'mail.example.com', NULL, NULL, NULL`,
		"passed":        `NULL, true, NULL, NULL`,
		"not passed":    `NULL, false, NULL, NULL`,
		"the next page": `NULL, NULL, '10.0.30.0', true`,
	} {
		h.Exec(`ANALYZE; BEGIN`)
		read := func() int {
			return testkit.Value[int](t, h.Database, `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables WHERE relname LIKE 'mail_dmarc%'`)
		}
		before := read()
		h.Exec(`SELECT list_dmarc_sources(portico_now() - interval '30 days', portico_now(), ` + args + `, 11)`)
		if n := read() - before; n == 0 || n > 60 {
			t.Errorf("%s: %d rows are read, want 1 to 60", name, n)
		}
		h.Exec(`COMMIT`)
	}
}
