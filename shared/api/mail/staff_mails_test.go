package mail_test

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

const missing = "mail_01890000000000000000000000"

// Staff read the mails of all organizations.
func TestMails(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	ada := acme.NewMail("Ada@example.com", "a").String()
	h.Advance(t, time.Hour)
	noon := url.QueryEscape(h.Clock.Now().Format(time.RFC3339Nano))
	bob, eve := acme.NewMail("bob@example.com", "b").String(), evil.NewMail("ada@EXAMPLE.com", "a").String()
	testkit.Must(t, exec(h, `UPDATE mail SET status = 'bounced', stream = 'marketing', error = '550 no such user' WHERE recipient = 'bob@example.com'`))

	for _, tt := range []struct {
		name, path string
		as         apitest.Caller
		want       string
	}{
		{"list", "", staff, `200 ` + ada + ` ` + bob + ` ` + eve + ` "next":null`},
		{"of an organization", "?organization_id=" + acme.Org.String(), staff, `200 ` + ada + ` ` + bob + ` !` + eve},
		{"to an address", "?recipient=ADA@example.com", staff, `200 ` + ada + ` ` + eve + ` !` + bob},
		{"to an address, of an organization", "?recipient=ada@example.com&organization_id=" + evil.Org.String(), staff, `200 ` + eve + ` !` + ada},
		{"with a status", "?status=bounced", staff, `200 ` + bob + ` "error":"550 no such user" !` + ada},
		{"with a stream", "?stream=marketing", staff, `200 ` + bob + ` !` + ada},
		{"with a template", "?template=member_added", staff, `200 ` + ada},
		{"with no template", "?template=x", staff, `200 "data":[]`},
		{"since", "?since=" + noon, staff, `200 ` + bob + ` !` + ada},
		{"until", "?until=" + noon, staff, `200 ` + ada + ` !` + bob},
		{"until long ago", "?until=0001-01-01T00:00:00Z", staff, `200 `},
		{"with a status that is none", "?status=lost", staff, `422 query.status`},
		{"with U+0000", "?recipient=%00", staff, `422 query.recipient`},
		{"of no organization", "?organization_id=x", staff, `422 query.organization_id`},
		{"after junk", "?after=x", staff, `422 query.after`},
		{"as a customer", "", acme, `403 staff_only`},
		{"get", "/" + ada, staff, `200 "status":"queued" "recipient":"Ada@example.com" "organization_id":"` + acme.Org.String() + `" "template_version":null`},
		{"get missing", "/" + missing, staff, `404 mail_not_found`},
		{"get malformed", "/1", staff, `422 path.id`},
		{"get as a customer", "/" + ada, acme, `403 staff_only`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("GET", "/v1/staff/mails"+tt.path, ""), tt.want) })
	}
}

func exec(h *apitest.Harness, sql string, args ...any) error {
	_, err := h.Admin.Exec(context.Background(), sql, args...)
	return err
}

// All pages together have each mail once, and mails of one moment are not lost
// between two pages. A page reads a bounded part of a long log, and continues there.
func TestMailsByPages(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	rare := acme.NewMail("ada@example.com", "rare").String()
	testkit.Must(t, exec(h, `UPDATE mail SET status = 'failed'`))
	testkit.Must(t, exec(h, `
		INSERT INTO mail (org_id, id, stream, category, template, locale, recipient, recipient_name, key, created_at)
		SELECT $1, gen_random_uuid(), 'product', '', 'member_added', 'en', 'bob@example.com', '', n::text, portico_now() + make_interval(secs => n / 5)
		FROM generate_series(1, 10020) AS n`, acme.Org))

	seen := map[string]bool{}
	collect(t, staff, "?recipient=bob@example.com&limit=100&status=queued", func(r apitest.Reply) {
		for _, part := range strings.Split(r.Body, `"id":"`)[1:] {
			if one := part[:31]; seen[one] {
				t.Errorf("%s is on two pages", one)
			} else {
				seen[one] = true
			}
		}
	})
	if len(seen) != 10020 {
		t.Errorf("the pages have %d mails, want 10020", len(seen))
	}
	found := ""
	if pages := collect(t, staff, "?status=failed", func(r apitest.Reply) { found += r.Body }); pages != 2 || !strings.Contains(found, rare) {
		t.Errorf("%d pages, want 2 with %s: %s", pages, rare, found)
	}
}

// collect calls page for each page and returns how many there are.
func collect(t *testing.T, staff apitest.Caller, query string, page func(apitest.Reply)) (pages int) {
	t.Helper()
	for after := ""; ; pages++ {
		r := staff.Do("GET", "/v1/staff/mails"+query+after, "")
		if r.Status != 200 || pages > 200 {
			t.Fatalf("page %s: %d %s", strconv.Itoa(pages), r.Status, r.Body)
		}
		page(r)
		next := r.Get(t, "next")
		if next == "null" {
			return pages + 1
		}
		after = "&after=" + next
	}
}
