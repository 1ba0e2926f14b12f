package mail_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// Staff list, enter and remove addresses that get no mail.
func TestSuppressions(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	h.Exec(`INSERT INTO mail_suppression (recipient, reason) VALUES ('bob@example.com', 'bounce'), ('bob@example.com', 'complaint'), ('carol@example.com', 'bounce')`)
	entry := func(recipient, cause string) string {
		r := staff.Do("GET", "/v1/staff/mail-suppressions?recipient="+recipient, "")
		before, _, _ := strings.Cut(r.Body, `"cause":"`+cause)
		_, after, _ := strings.Cut(before[max(0, strings.LastIndex(before, `"id":"`)):], `"id":"`)
		return after[:30]
	}
	bounce, complaint := entry("bob@example.com", "bounce"), entry("bob@example.com", "complaint")
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"list", "GET", "", "", staff, `200 bob@example.com carol@example.com "next":null`},
		{"of an address", "GET", "?recipient=BOB@example.com", "", staff, `200 "cause":"bounce" "cause":"complaint" !carol`},
		{"that start", "GET", "?starts=Ca", "", staff, `200 carol@example.com !bob`},
		{"that start with a wildcard", "GET", "?starts=%25", "", staff, `200 "data":[]`},
		{"that start with other characters than ASCII", "GET", "?starts=ada@m%C3%BC", "", staff, `422 query.starts xn--`},
		{"with U+0000", "GET", "?starts=%00", "", staff, `422 query.starts`},
		{"after junk", "GET", "?after=x", "", staff, `422 query.after`},
		{"list as a customer", "GET", "", "", acme, `403 staff_only`},
		{"get", "GET", "/" + bounce, "", staff, `200 bob@example.com "cause":"bounce" "ends_at":null`},
		{"get missing", "GET", "/sup_01890000000000000000000000", "", staff, `404 suppression_not_found`},
		{"get malformed", "GET", "/1", "", staff, `422 path.id`},
		{"enter", "POST", "", `{"recipient":"Eve@example.com","reason":"asked for it"}`, staff, `201 eve@example.com "cause":"staff" "note":"asked for it" "entered_by":"staff_`},
		{"enter again", "POST", "", `{"recipient":"eve@example.com","reason":"again"}`, staff, `201 "note":"again"`},
		{"enter an international domain", "POST", "", `{"recipient":"Fritz@MÜNCHEN.example","reason":"r"}`, staff, `201 "recipient":"fritz@xn--mnchen-3ya.example"`},
		{"of it as written", "GET", "?recipient=fritz@m%C3%BCnchen.example", "", staff, `200 fritz@xn--mnchen-3ya.example`},
		{"of it in ASCII", "GET", "?recipient=FRITZ@XN--mnchen-3ya.example", "", staff, `200 fritz@xn--mnchen-3ya.example`},
		{"enter no address", "POST", "", `{"recipient":"eve","reason":"r"}`, staff, `422 body.recipient`},
		{"enter without a reason", "POST", "", `{"recipient":"eve@example.com"}`, staff, `422 body.reason`},
		{"enter as a customer", "POST", "", `{"recipient":"eve@example.com","reason":"r"}`, acme, `403 staff_only`},
		{"remove without a reason", "POST", "/" + bounce + "/remove", `{}`, staff, `422 body.reason`},
		{"remove as a customer", "POST", "/" + bounce + "/remove", `{"reason":"r"}`, acme, `403 staff_only`},
		{"remove", "POST", "/" + bounce + "/remove", `{"reason":"it exists"}`, staff, `200 "cause":"bounce"`},
		{"remove again", "POST", "/" + bounce + "/remove", `{"reason":"it exists"}`, staff, `404 suppression_not_found`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/staff/mail-suppressions"+tt.path, tt.body), tt.want)
		})
	}
	// The mail service keeps the address until no report of it is left.
	jobs := func() int {
		return testkit.Value[int](t, h.Database, `SELECT count(*) FROM job WHERE kind = 'mail.lift_suppression' AND args::text LIKE '%bob@example.com%'`)
	}
	if n := jobs(); n != 0 {
		t.Errorf("%d jobs, although the complaint is left", n)
	}
	apitest.Want(t, staff.Do("POST", "/v1/staff/mail-suppressions/"+complaint+"/remove", `{"reason":"a mistake"}`), `200 "cause":"complaint"`)
	if n := jobs(); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
	apitest.Want(t, staff.Do("GET", "/v1/staff/mail-suppressions?recipient=bob@example.com", ""), `200 "data":[]`)
}

// All pages together have each entry once.
func TestSuppressionsByPages(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	staff := h.NewStaff()
	h.Exec(`INSERT INTO mail_suppression (recipient, reason) SELECT 'a' || n || '@example.com', r FROM generate_series(1, 60) n, unnest('{bounce,staff}'::text[]) r`)
	seen := 0
	for after := ""; ; {
		r := staff.Do("GET", "/v1/staff/mail-suppressions?limit=50"+after, "")
		seen += strings.Count(r.Body, `"id":"sup_`)
		next := r.Get(t, "next")
		if next == "null" || seen > 200 {
			break
		}
		after = "&after=" + next
	}
	if seen != 120 {
		t.Errorf("the pages have %d entries, want 120", seen)
	}
}

// An address that staff enter or remove is so in every database. If one of them does not
// answer, the request may be repeated.
func TestSuppressionsInAllDatabases(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	staff, acme := h.NewStaff(), testkit.DB(t)
	testkit.Must(t, h.App.Add(context.Background(), "acme", acme.URL("portico_app")))
	const path, enter, remove = "/v1/staff/mail-suppressions", `{"recipient":"ada@example.com","reason":"r"}`, `{"reason":"r"}`
	want := func(when string, inHome, inAcme int) {
		t.Helper()
		for name, db := range map[string]*testkit.Database{"home": h.Database, "acme": acme} {
			n := testkit.Value[int](t, db, `SELECT count(*) FROM mail_suppression WHERE recipient = 'ada@example.com'`)
			if n != map[string]int{"home": inHome, "acme": inAcme}[name] {
				t.Errorf("%s: %s has %d entries", when, name, n)
			}
		}
	}
	for _, tt := range []struct{ name, path, body, function, done string }{
		{"enter", "", enter, "suppress_mail", "201"}, {"remove", "", remove, "unsuppress_mail", "200"},
	} {
		if tt.name == "remove" {
			tt.path = "/" + regexp.MustCompile(`sup_\w{26}`).FindString(staff.Do("GET", path, "").Body) + "/remove"
		}
		acme.Exec(t, `ALTER FUNCTION `+tt.function+` RENAME TO away`)
		apitest.Want(t, staff.Do("POST", path+tt.path, tt.body), `503`)
		was := map[string]int{"enter": 0, "remove": 1}[tt.name]
		want(tt.name+" while a database is away", was, was)
		acme.Exec(t, `ALTER FUNCTION away RENAME TO `+tt.function)
		apitest.Want(t, staff.Do("POST", path+tt.path, tt.body), tt.done)
		want(tt.name, 1-was, 1-was)
	}
}
