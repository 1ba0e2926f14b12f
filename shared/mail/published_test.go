package mail_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/mail"
	"portico/shared/mail/override"
	"portico/shared/mail/template"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// newPublisher returns a post whose senders use what is published.
func newPublisher(t *testing.T) (*post, *testkit.Log) {
	t.Helper()
	p, log := newPost(t), &testkit.Log{}
	p.sender.Log = observe.NewLog(log, "test")
	p.sender.Overrides = &override.Published{Home: p.App.Shared(), Set: p.sender.Templates, Clock: p.Clock}
	return p, log
}

// publish saves a version without any check, and publishes it.
func (p *post) publish(locale string, version int, subject, html string) {
	p.t.Helper()
	p.Exec(p.t, `INSERT INTO mail_template_override VALUES ('member_added', $1, $2, portico_now(), 's', 's', '', $3, $4, 'x')`, locale, version, subject, html)
	p.Exec(p.t, `INSERT INTO mail_template_publication (template, locale, number, version, published_by, published_by_name) VALUES ('member_added', $1, $2, $2, 's', 's')`, locale, version)
	p.Advance(p.t, override.Fresh)
}

func (p *post) lastMail() string {
	p.t.Helper()
	p.work()
	return testkit.Value[string](p.t, p.Database, `SELECT status || ' ' || coalesce(template_version, '') FROM mail ORDER BY created_at DESC LIMIT 1`) +
		" " + p.service.mails[len(p.service.mails)-1].Subject
}

// A mail is made by the override that is published in its language. The log says
// which. Other languages keep the repository's template.
func TestPublishedOverrideIsSent(t *testing.T) {
	t.Parallel()
	p, log := newPublisher(t)
	set, err := template.Repository()
	testkit.Must(t, err)
	own, err := set.Render(added("").Content, "de", template.Frame{})
	testkit.Must(t, err)

	p.publish("de", 1, "Willkommen bei {{.Data.Organization}}", "<p class=\"text\">{{.Data.Role}}</p>")
	p.send(added("1"))
	if got := p.lastMail(); got != "sent override-1 Willkommen bei Acme" {
		t.Errorf("%s", got)
	}
	english := added("2")
	english.Locale = "en"
	p.send(english)
	if got := p.lastMail(); strings.Contains(got, "override") {
		t.Errorf("%s", got)
	}
	p.Exec(t, `INSERT INTO mail_template_publication (template, locale, number, published_by, published_by_name) VALUES ('member_added', 'de', 2, 's', 's')`)
	p.Advance(t, override.Fresh)
	p.send(added("3"))
	if got := p.lastMail(); got != "sent "+own.Version+" Sie sind jetzt Mitglied von Acme" {
		t.Errorf("rolled back: %s", got)
	}
	if log.String() != "" {
		t.Errorf("the log has %s", log.String())
	}
}

// Whatever got past saving, the mail is sent as the repository says, the runner goes
// on, and the log counts it.
func TestBrokenOverrideGivesWay(t *testing.T) {
	t.Parallel()
	p, log := newPublisher(t)
	for i, html := range []string{
		"{{.Data.Gone}}", "{{range 1000000000}}x{{end}}", "{{range .Data.Role}}{{end}}", "<script>alert(1)</script>", "{{", "<div>",
		`{{define "body"}}{{template "body" .}}{{end}}{{template "body" .}}`, strings.Repeat("{{if .Data.Role}}", 5_000) + strings.Repeat("{{end}}", 5_000),
	} {
		log.Reset()
		p.publish("de", i+1, "x", html)
		p.send(added("k" + html[:min(9, len(html))]))
		if got := p.lastMail(); !strings.HasSuffix(got, "Sie sind jetzt Mitglied von Acme") || !strings.HasPrefix(got, "sent ") {
			t.Errorf("%.40s: %s", html, got)
		}
		var line struct {
			MailOverrideFailures float64
			Template, Locale     string
			Version              int
		}
		if err := json.Unmarshal([]byte(log.String()), &line); err != nil || line.MailOverrideFailures != 1 || line.Version != i+1 || line.Locale != "de" || line.Template != "member_added" {
			t.Errorf("%.40s: the log has %s (%v)", html, log.String(), err)
		}
	}
}

// A sender that cannot find out what is published waits: the mail is not lost and
// not counted as handed over.
func TestHomeDatabaseIsAway(t *testing.T) {
	t.Parallel()
	p, _ := newPublisher(t)
	p.sender.Overrides.Home = away{}
	p.send(added("1"))
	p.work()
	if p.status() != "queued 0" {
		t.Errorf("%s", p.status())
	}
	p.sender.Overrides.Home = p.App.Shared()
	p.workFor(time.Minute)
	if p.status() != "sent 1" {
		t.Errorf("%s", p.status())
	}
}

// A test mail is of the version that it names, and its subject says that it is one.
func TestTestMail(t *testing.T) {
	t.Parallel()
	p, _ := newPublisher(t)
	p.publish("de", 1, "Eins", "<p>1</p>")
	p.publish("de", 2, "Zwei", "<p>2</p>")
	for _, tt := range []struct {
		version int
		want    string
	}{{1, "sent override-1 [Test] Eins"}, {2, "sent override-2 [Test] Zwei"}, {0, "[Test] Sie sind jetzt Mitglied von Acme"}} {
		m := added("test/" + tt.want)
		m.Test = &mail.Test{Version: tt.version}
		p.Advance(t, time.Second)
		p.send(m)
		if got := p.lastMail(); !strings.HasSuffix(got, tt.want) {
			t.Errorf("%d: %s", tt.version, got)
		}
	}
	m := added("test/none")
	m.Test = &mail.Test{Version: 9}
	p.Advance(t, time.Second)
	p.send(m)
	if got := p.lastMail(); !strings.HasPrefix(got, "failed ") {
		t.Errorf("a version that is not there: %s", got)
	}
}

// away is a database that does not answer.
type away struct{ pg.Querier }

func (away) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return nil, context.DeadlineExceeded
}
