package mail_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

const templates = "/v1/staff/mail-templates"

// version returns the body of a version.
func version(locale, subject, html, text string) string {
	body, err := json.Marshal(map[string]string{"locale": locale, "subject": subject, "html": html, "text": text})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func greeting(n int) string {
	return version("de", fmt.Sprintf("Hallo %d", n), "<p class=\"text\">\r\nRolle: {{.Data.Role}}</p>", "Rolle: {{.Data.Role}}")
}

// Staff save versions of a template, look at them, compare, publish and roll back.
// Whatever is wrong is refused with the field.
func TestTemplates(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	one := templates + "/member_added"
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"list", "GET", templates, "", staff, `200 "name":"member_added" "name":"dead_deliveries" "path":".Data.EventTypes" "type":"texts" "locale":"de" "published":null "problem":null`},
		{"list as a customer", "GET", templates, "", acme, `403 staff_only`},
		{"get", "GET", one, "", staff, `200 "path":".Data.Organization" "name":"by a person" "AddedBy":"Ada Lovelace"`},
		{"get one that is none", "GET", templates + "/nothing", "", staff, `404 mail_template_not_found`},
		{"source", "GET", one + "/source?locale=de", "", staff, `200 "version":null {{.Data.Role}} "created_at":null`},
		{"source without a language", "GET", one + "/source", "", staff, `200 "locale":"en"`},
		{"source in a language that is none", "GET", one + "/source?locale=fr", "", staff, `422 query.locale de`},
		{"source of a version that is none", "GET", one + "/source?locale=de&version=1", "", staff, `404 mail_template_version_not_found`},
		{"source of junk", "GET", one + "/source?locale=de&version=x", "", staff, `422 query.version`},
		{"save as a customer", "POST", one + "/versions", greeting(1), acme, `403 staff_only`},
		{"save for a template that is none", "POST", templates + "/nothing/versions", greeting(1), staff, `404 mail_template_not_found`},
		{"save for a language that is none", "POST", one + "/versions", version("fr", "a", "b", "c"), staff, `422 body.locale`},
		{"save nothing", "POST", one + "/versions", `{}`, staff, `422 body.locale body.subject body.html body.text`},
		{"save three faults", "POST", one + "/versions", version("de", "a\r\nBcc: x@evil.example", "<p>\n<script>", "{{.Nothing}}"), staff, `422 body.subject body.html "line 2: body.text "line 1:`},
		{"save U+0000", "POST", one + "/versions", version("de", "a\x00", "b", "c"), staff, `422 body.subject`},
		{"save too much", "POST", one + "/versions", version("de", "a", strings.Repeat("x", 600<<10), "c"), staff, `413`},
		{"save what a sample does not bear", "POST", one + "/versions", version("de", "{{.Data.AddedBy}}", "b", "c"), staff, `422 body.subject "by a program`},
		{"save", "POST", one + "/versions", greeting(1), staff, `201 "version":1 "subject":"Hallo 1" "html":"<p class=\"text\">\nRolle "created_by":"Ada"`},
		{"save another", "POST", one + "/versions", greeting(2), staff, `201 "version":2`},
		{"nothing is published yet", "GET", one + "/source?locale=de", "", staff, `200 "version":null`},
		{"roll back nothing", "POST", one + "/roll-back", `{"locale":"de","version":1}`, staff, `409 mail_template_not_overridden`},
		{"publish as a customer", "POST", one + "/publish", `{"locale":"de","version":1}`, acme, `403 staff_only`},
		{"publish what is not there", "POST", one + "/publish", `{"locale":"en","version":1}`, staff, `404 mail_template_version_not_found`},
		{"publish in a language that is none", "POST", one + "/publish", `{"locale":"xx","version":1}`, staff, `422 body.locale`},
		{"publish version 0", "POST", one + "/publish", `{"locale":"de","version":0}`, staff, `422 body.version`},
		{"publish", "POST", one + "/publish", `{"locale":"de","version":1}`, staff, `200 "version":1 "published_by":"Ada"`},
		{"publish again", "POST", one + "/publish", `{"locale":"de","version":1}`, staff, `200 "version":1`},
		{"publish another", "POST", one + "/publish", `{"locale":"de","version":2}`, staff, `200 "version":2`},
		{"preview", "GET", one + "/preview?locale=de", "", staff, `200 "version":2 "subject":"Hallo 2" Rolle: Developer margin: 0 0 16px Content-Type:`},
		{"preview a draft", "GET", one + "/preview?locale=de&version=1&sample=by+a+program", "", staff, `200 "version":1 "subject":"Hallo 1" Rolle: Owner`},
		{"preview the repository's", "GET", one + "/preview?locale=de&version=repository", "", staff, `200 "version":null Sie sind jetzt Mitglied von Acme`},
		{"preview another language", "GET", one + "/preview?locale=en", "", staff, `200 "version":null You are now a member`},
		{"preview a sample that is none", "GET", one + "/preview?locale=de&sample=x", "", staff, `422 query.sample by a person`},
		{"compare", "GET", one + "/diff?locale=de&from=1&to=2", "", staff, `200 "from":1 "to":2 {"change":"removed","text":"Hallo 1"} {"change":"added","text":"Hallo 2"} "html":[]`},
		{"compare with the repository's", "GET", one + "/diff?locale=de", "", staff, `200 "from":null "to":2 member_added.title`},
		{"list versions", "GET", one + "/versions?locale=de&limit=1", "", staff, `200 "version":2 "published":true !"version":1 "next":"`},
		{"list versions after junk", "GET", one + "/versions?locale=de&after=x", "", staff, `422 query.after`},
		{"roll back what is not sent", "POST", one + "/roll-back", `{"locale":"de","version":1}`, staff, `409 mail_template_changed`},
		{"roll back", "POST", one + "/roll-back", `{"locale":"de","version":2}`, staff, `200 "version":1`},
		{"roll back again", "POST", one + "/roll-back", `{"locale":"de","version":1}`, staff, `200 "version":null`},
		{"history", "GET", one + "/publications?locale=de", "", staff, `200 "version":2 "version":null "published_by":"Ada"`},
		{"nothing is published any more", "GET", one, "", staff, `200 "published":null "published_by":"Ada"`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do(tt.method, tt.path, tt.body), tt.want) })
	}
	apitest.Want(t, staff.Do("POST", one+"/publish", `{"locale":"de","version":1}`, "Portico-Organization", acme.Org.String()), `422 header.Portico-Organization`)
	first := staff.Do("GET", one+"/versions?locale=de&limit=1", "")
	apitest.Want(t, staff.Do("GET", one+"/versions?locale=de&after="+first.Get(t, "next"), ""), `200 "version":1 "next":null`)
}

// Every change is in the audit log of the platform, with who did it.
func TestTemplateChangesAreAudited(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	staff, one := h.NewStaff(), templates+"/member_added"
	for _, step := range [][2]string{{"/versions", greeting(1)}, {"/publish", `{"locale":"de","version":1}`}, {"/roll-back", `{"locale":"de","version":1}`}} {
		if r := staff.Do("POST", one+step[0], step[1]); r.Status/100 != 2 {
			t.Fatalf("%s: %d %s", step[0], r.Status, r.Body)
		}
	}
	got := testkit.Value[string](t, h.Database, `
		SELECT string_agg(action || ' ' || actor_name || ' ' || coalesce(before->>'version', '') || ' ' || (after->>'version'), ', ' ORDER BY created_at)
		FROM audit_entry WHERE targets::jsonb @> '[{"type":"mail_template","id":"member_added"}]' AND org_id = '00000000-0000-0000-0000-000000000000'`)
	want := "mail_template_version.create Ada  1, mail_template.publish Ada repository override-1, mail_template.roll_back Ada override-1 repository"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// A repeated request with the same key saves one version.
func TestTemplateVersionOnce(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	staff := h.NewStaff()
	for range 2 {
		apitest.Want(t, staff.Do("POST", templates+"/member_added/versions", greeting(1), "Idempotency-Key", "k"), `201 "version":1`)
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM mail_template_override`); n != 1 {
		t.Errorf("%d versions", n)
	}
}

// A published version that the template no longer bears is shown with the reason, and
// can neither be previewed nor published again.
func TestBrokenTemplate(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	staff, one := h.NewStaff(), templates+"/member_added"
	h.Database.Exec(t, `INSERT INTO mail_template_override VALUES ('member_added', 'de', 1, portico_now(), 's', 's', '', 'x', E'<p>\n{{.Data.Gone}}</p>', 'x')`)
	h.Database.Exec(t, `INSERT INTO mail_template_publication (template, locale, number, version, published_by, published_by_name) VALUES ('member_added', 'de', 1, 1, 's', 's')`)
	apitest.Want(t, staff.Do("GET", one, ""), `200 "problem":"html: line 2: .Data.Gone: there is no Gone`)
	apitest.Want(t, staff.Do("GET", one+"/preview?locale=de", ""), `422 query.version there is no Gone`)
	apitest.Want(t, staff.Do("POST", one+"/publish", `{"locale":"de","version":1}`), `422 body.version there is no Gone`)
}

// A test mail is in the log of the organization, is made of the version and says that
// it is a test. Their number is bounded.
func TestTestMails(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	one := templates + "/member_added"
	h.StopClock(t)
	apitest.Want(t, staff.Do("POST", one+"/versions", greeting(1)), `201`)
	test := func(org apitest.Caller, body string) apitest.Reply {
		return staff.Do("POST", one+"/test", body, "Portico-Organization", org.Org.String())
	}
	body := `{"locale":"de","version":"1","to":"ada@example.com"}`
	apitest.Want(t, staff.Do("POST", one+"/test", body), `422 header.Portico-Organization`)
	apitest.Want(t, acme.Do("POST", one+"/test", body), `403 staff_only`)
	apitest.Want(t, test(acme, `{"locale":"de","version":"9","to":"ada@example.com"}`), `404 mail_template_version_not_found`)
	apitest.Want(t, test(acme, `{"locale":"de","version":"1","to":"ada@example.com\r\nBcc: x@evil.example"}`), `422 body.to`)
	apitest.Want(t, test(acme, `{"locale":"de","version":"1","sample":"x","to":"ada@example.com"}`), `422 body.sample`)
	apitest.Want(t, test(acme, `{"locale":"xx","version":"1","to":"ada@example.com"}`), `422 body.locale`)
	for n := range 20 {
		r := test(acme, body)
		apitest.Want(t, r, `202 mail_`)
		if n == 0 {
			apitest.Want(t, staff.Do("GET", "/v1/staff/mails/"+r.Get(t, "id"), ""), `200 "status":"queued" "recipient":"ada@example.com" "organization_id":"`+acme.Org.String()+`"`)
		}
	}
	r := test(acme, body)
	apitest.Want(t, r, `429 too_many_test_mails`)
	if r.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	apitest.Want(t, test(evil, body), `202`)
	h.Advance(t, time.Hour)
	apitest.Want(t, test(acme, body), `202`)
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM mail`); n != 22 {
		t.Errorf("%d mails are in the log", n)
	}
}
