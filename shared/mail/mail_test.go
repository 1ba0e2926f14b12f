package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/claim"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/mail/unsubscribe"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/testkit"
)

// service is a mail service. It accepts a mail and then answers with after, if that
// is not nil.
type service struct {
	mu      sync.Mutex
	dedupes bool
	mails   []transport.Message
	before  func(transport.Message) error
	after   func(transport.Message) error
}

func (s *service) Dedupes() bool { return s.dedupes }

func (s *service) Send(_ context.Context, m transport.Message) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := m.MIME(); err != nil {
		return "", err
	}
	if s.before != nil {
		if err := s.before(m); err != nil {
			return "", err
		}
	}
	known := false
	for _, earlier := range s.mails {
		known = known || s.dedupes && earlier.ID == m.ID
	}
	if !known {
		s.mails = append(s.mails, m)
	}
	if s.after != nil {
		if err := s.after(m); err != nil {
			return "", err
		}
	}
	return "p-" + m.ID, nil
}

// post is a database with an organization, a service and a runner for each queue.
type post struct {
	*testkit.Database
	t       *testing.T
	org     id.Org
	box     *secret.Box
	service *service
	sender  *mail.Sender
	runners []*job.Runner
}

func newSender(t testing.TB, db *pg.DB, box *secret.Box, s mail.Transport) *mail.Sender {
	t.Helper()
	set, err := template.Repository()
	testkit.Must(t, err)
	return &mail.Sender{
		Log: observe.NewLog(io.Discard, "test"), DB: db, Box: box, Templates: set, Name: "Portico", Public: "https://portico.example.com",
		Transports: map[template.Stream]mail.Transport{template.Product: s, template.Marketing: s},
		From:       map[template.Stream]string{template.Product: "notices@mail.example.com", template.Marketing: "news@news.example.com"},
	}
}

func newBox(t testing.TB) *secret.Box {
	t.Helper()
	box, err := secret.Parse([]byte(`{"current":"1","1":"` + strings.Repeat("0123456789abcdef", 4) + `"}`))
	testkit.Must(t, err)
	return box
}

func newPost(t *testing.T) *post {
	t.Helper()
	p := &post{Database: testkit.DB(t), t: t, box: newBox(t), service: &service{}}
	p.org = p.NewOrg(t)
	p.sender = newSender(t, p.App, p.box, p.service)
	registry, err := job.NewRegistry(p.sender.Kinds()...)
	testkit.Must(t, err)
	for _, q := range []job.Queue{job.High, job.Bulk} {
		p.runners = append(p.runners, &job.Runner{
			DB: p.App, Worker: p.Worker, Database: pg.Home, Queue: q, Kinds: registry, Clock: p.Clock, Log: observe.NewLog(&testkit.Log{}, "test"),
			Random: func() float64 { return 0 },
		})
	}
	return p
}

func added(key string) mail.Mail {
	return mail.Mail{
		To: transport.Address{Name: "Ada", Address: "ada@example.com"}, Locale: "de", Key: key,
		Content: template.MemberAdded.With(template.MemberAddedData{Organization: "Acme", Role: "Developer"}),
	}
}

func disabled(key string) mail.Mail {
	m := added(key)
	m.Content = template.EndpointDisabled.With(template.EndpointDisabledData{Organization: "Acme", Endpoint: "https://acme.example/", Failures: 20})
	return m
}

func (p *post) send(m mail.Mail) (mailID id.Mail) {
	p.t.Helper()
	p.InOrg(p.t, p.org, func(ctx context.Context, tx pg.Tx) (err error) {
		mailID, err = mail.Send(ctx, tx, p.box, p.Clock.Now(), p.org, m)
		return err
	})
	return mailID
}

// work does what is due once. A panic of a handler that is job.Crashed is the death
// of its runner.
func (p *post) work() {
	p.t.Helper()
	ctx := context.Background()
	for _, r := range p.runners {
		lanes, _, err := r.Look(ctx, 0)
		testkit.Must(p.t, err)
		turns := make([]claim.Turn[job.Lane], len(lanes))
		for i, l := range lanes {
			turns[i] = claim.Turn[job.Lane]{Lane: l, Room: 10}
		}
		claims, err := r.Claim(ctx, turns)
		testkit.Must(p.t, err)
		for _, c := range claims {
			p.do(r, c)
		}
	}
}

func (p *post) do(r *job.Runner, c job.Claim) {
	p.t.Helper()
	defer func() {
		if died := recover(); died != nil && died != any(job.Crashed{}) {
			panic(died)
		}
	}()
	_, err := r.Record(context.Background(), []job.Result{r.Do(context.Background(), c)}, claim.Limits{Lock: time.Second})
	testkit.Must(p.t, err)
}

// workFor does what becomes due in a time.
func (p *post) workFor(d time.Duration) {
	p.t.Helper()
	for range int(d / (20 * time.Second)) {
		p.work()
		p.Advance(p.t, 20*time.Second)
	}
}

// status returns the status of the organization's mails, and how often they were
// handed over.
func (p *post) status() string {
	p.t.Helper()
	return testkit.Value[string](p.t, p.Database, `SELECT coalesce(string_agg(status || ' ' || handovers, ', '), 'none') FROM mail`)
}

// Without a mail service a mail ends as failed, and says why. Its data are forgotten.
func TestSendWithoutService(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	registry, err := job.NewRegistry((&mail.Sender{DB: p.App, Box: p.box}).Kinds()...)
	testkit.Must(t, err)
	for _, r := range p.runners {
		r.Kinds = registry
	}
	p.send(added("member/1"))
	p.work()
	if p.status() != "failed 0" || testkit.Value[int](t, p.Database, `SELECT count(*) FROM job`) != 0 {
		t.Errorf("%s, and jobs are left or not", p.status())
	}
	if got := testkit.Value[string](t, p.Database, `SELECT error FROM mail WHERE data IS NULL`); got != "No mail service is configured." {
		t.Errorf("the error is %q", got)
	}
}

// A mail is sent if its transaction commits, and once for its key. Its data are
// forgotten.
func TestSend(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	err := p.App.InOrg(context.Background(), p.org, func(tx pg.Tx) error {
		_, err := mail.Send(context.Background(), tx, p.box, p.Clock.Now(), p.org, added("rolled back"))
		return errors.Join(err, errors.New("no"))
	})
	if err == nil || p.status() != "none" {
		t.Fatalf("%v, %s", err, p.status())
	}
	first := p.send(added("member/1"))
	if second := p.send(added("member/1")); second != first {
		t.Errorf("the mail is %s and %s", first, second)
	}
	p.work()
	p.send(added("member/1"))
	p.work()
	if p.status() != "sent 1" || len(p.service.mails) != 1 {
		t.Fatalf("%s, %d mails", p.status(), len(p.service.mails))
	}
	m := p.service.mails[0]
	if m.ID != first.String() || m.To.Address != "ada@example.com" || m.From.Name != "Portico" || m.Unsubscribe != "" || m.Subject != "Sie sind jetzt Mitglied von Acme" {
		t.Errorf("the mail is %+v", m)
	}
	kept := testkit.Value[string](t, p.Database, `SELECT concat_ws(' ', provider_id, locale, data IS NULL, length(digest), length(template_version)) FROM mail`)
	if kept != "p-"+first.String()+" de t 32 12" {
		t.Errorf("the log has %s", kept)
	}
}

// What is wrong with a mail is said when it is to be sent.
func TestSendRefuses(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	for field, spoil := range map[string]func(*mail.Mail){
		"to":  func(m *mail.Mail) { m.To.Address = "ada@example.com\r\nBcc: x@evil.example" },
		"key": func(m *mail.Mail) { m.Key = "" },
	} {
		m := added("k")
		spoil(&m)
		err := p.App.InOrg(context.Background(), p.org, func(tx pg.Tx) error {
			_, err := mail.Send(context.Background(), tx, p.box, p.Clock.Now(), p.org, m)
			return err
		})
		if f := fault.Of(err); f == nil || f.Kind != fault.Invalid || f.Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// The process dies while it hands a mail to a service that does not recognise
// repetitions. Dead before the service has it: it is sent once. Dead after it, and
// the service's event comes: once. Without the event: mail that people wait for is
// sent again, which is counted.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	die := func(transport.Message) error { panic(job.Crashed{}) }
	mute := func(transport.Message) error { return transport.ErrUnknown }
	for _, tt := range []struct {
		name          string
		before, after func(transport.Message) error
		event         bool
		want          string
		mails         int
	}{
		{"dead before", die, nil, false, "sent 2", 1},
		{"dead after, event", nil, die, true, "sent 1", 1},
		{"dead after, no event", nil, die, false, "sent 2", 2},
		{"no answer, event", nil, mute, true, "sent 1", 1},
		{"no answer, no event", nil, mute, false, "sent 2", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t)
			p.service.before, p.service.after = tt.before, tt.after
			mailID := p.send(added("k"))
			p.work()
			p.service.before, p.service.after = nil, nil
			if tt.event {
				p.InOrg(t, p.org, func(ctx context.Context, tx pg.Tx) error { return mail.Accepted(ctx, tx, p.org, mailID, "p") })
			}
			p.workFor(100 * time.Second) // the event has time to come
			if n := len(p.service.mails); n > 1 {
				t.Errorf("%d mails after less than two minutes", n)
			}
			p.workFor(4 * time.Minute)
			if p.status() != tt.want || len(p.service.mails) != tt.mails {
				t.Errorf("%s, %d mails; want %s, %d", p.status(), len(p.service.mails), tt.want, tt.mails)
			}
			if left := testkit.Value[int](t, p.Database, `SELECT count(*) FROM job`); left > 0 {
				t.Errorf("%d jobs are left", left)
			}
		})
	}
}

// Marketing is not sent again when nobody knows whether it was sent.
func TestMarketingIsNotRepeated(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.service.after = func(transport.Message) error { return transport.ErrUnknown }
	m := added("k")
	streamed := *m.Content.Template
	streamed.Stream = template.Marketing
	m.Content.Template = &streamed
	p.send(m)
	p.workFor(10 * time.Minute)
	if p.status() != "unknown 1" || len(p.service.mails) != 1 || p.service.mails[0].From.Address != "news@news.example.com" {
		t.Errorf("%s, %d mails", p.status(), len(p.service.mails))
	}
}

// A service that never answers gets a mail a few times, no more.
func TestServiceStaysMute(t *testing.T) {
	t.Parallel()
	for _, dedupes := range []bool{false, true} {
		p := newPost(t)
		p.service.dedupes, p.service.after = dedupes, func(transport.Message) error { return transport.ErrUnknown }
		p.send(added("k"))
		p.workFor(20 * time.Minute)
		if want := map[bool]int{false: 5, true: 1}[dedupes]; p.status() != "unknown 5" || len(p.service.mails) != want {
			t.Errorf("dedupes %v: %s, %d mails, want %d", dedupes, p.status(), len(p.service.mails), want)
		}
	}
}

// What the service's errors do: a mail that was not accepted waits, one that is
// refused is in the log with the reason.
func TestServiceErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err        error
		then, last string
	}{
		{transport.ErrAway, "queued 0", "sent 1"},
		{transport.ErrThrottled, "queued 0", "sent 1"},
		{transport.ErrRefused.Because(errors.New("no such user")), "rejected 1", "rejected 1"},
	} {
		p := newPost(t)
		p.service.before = func(transport.Message) error { return tt.err }
		p.send(added("k"))
		p.work()
		if p.status() != tt.then {
			t.Errorf("%v: %s, want %s", tt.err, p.status(), tt.then)
		}
		p.service.before = nil
		p.workFor(2 * time.Minute)
		if p.status() != tt.last {
			t.Errorf("%v: %s at last, want %s", tt.err, p.status(), tt.last)
		}
	}
}

// Who has unsubscribed gets no more mail of the category, but other mail; who is
// suppressed gets none, except that critical mail reaches those who complained.
func TestWhoGetsNone(t *testing.T) {
	t.Parallel()
	past, later := "2020-01-01", "2999-01-01"
	for _, tt := range []struct {
		name           string
		prepare        func(*post)
		notice, member string
	}{
		{"nothing", func(*post) {}, "sent", "sent"},
		{"unsubscribed", func(p *post) { p.unsubscribe(p.org, "ADA@example.com", "webhooks") }, "suppressed", "sent"},
		{"unsubscribed from another category", func(p *post) { p.unsubscribe(p.org, "ada@example.com", "api_keys") }, "sent", "sent"},
		{"unsubscribed at another organization", func(p *post) { p.unsubscribe(p.NewOrg(p.t), "ada@example.com", "webhooks") }, "sent", "sent"},
		{"bounced", func(p *post) { p.suppress("bounce", nil) }, "suppressed", "suppressed"},
		{"complained", func(p *post) { p.suppress("complaint", nil) }, "suppressed", "sent"},
		{"delayed until now", func(p *post) { p.suppress("delays", &past) }, "sent", "sent"},
		{"delayed", func(p *post) { p.suppress("delays", &later) }, "suppressed", "suppressed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t)
			tt.prepare(p)
			p.send(disabled("notice"))
			p.send(added("member"))
			p.work()
			got := testkit.Value[string](t, p.Database, `SELECT string_agg(key || ' ' || status, ', ' ORDER BY key) FROM mail`)
			if want := fmt.Sprintf("member %s, notice %s", tt.member, tt.notice); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// A link to unsubscribe outlives its organization: then it leaves nothing behind.
func TestUnsubscribeFromErasedOrganization(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.unsubscribe(id.New[id.Org](p.Clock.Now()), "ada@example.com", "webhooks")
	if n := testkit.Value[int](t, p.Database, `SELECT count(*) FROM mail_unsubscribed`); n > 0 {
		t.Errorf("%d rows are left", n)
	}
}

func (p *post) unsubscribe(org id.Org, recipient, category string) {
	p.t.Helper()
	for range 2 { // it may be repeated
		p.InOrg(p.t, org, func(ctx context.Context, tx pg.Tx) error {
			return unsubscribe.Stop(ctx, tx, unsubscribe.Choice{Org: org, Recipient: recipient, Category: category})
		})
	}
}

func (p *post) suppress(reason string, until *string) {
	p.t.Helper()
	p.Insert(p.t, "mail_suppression", testkit.Row{"recipient": "ada@example.com", "reason": reason, "ends_at": until})
}

// A mail has the same link to unsubscribe in every try, and the link is the
// recipient's own.
func TestUnsubscribeLink(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.service.after = func(transport.Message) error { return transport.ErrUnknown }
	p.send(disabled("k"))
	p.workFor(5 * time.Minute)
	mails := p.service.mails
	if len(mails) < 2 || mails[0] != mails[1] {
		t.Fatalf("%d mails; two tries differ", len(mails))
	}
	token := strings.TrimPrefix(mails[0].Unsubscribe, "https://portico.example.com/u/")
	choice, err := unsubscribe.Read(p.box, token, p.Clock.Now())
	if want := (unsubscribe.Choice{Org: p.org, Recipient: "ada@example.com", Category: "webhooks"}); err != nil || choice != want || !strings.Contains(mails[0].HTML, token) {
		t.Errorf("%+v (%v)", choice, err)
	}
}

// The organization's look is that of its mails.
func TestBranding(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.Exec(t, `UPDATE organization SET branding = '{"display_name":"Müller GmbH","primary_color":"#0a7cff","support_email":"help@mueller.example"}' WHERE id = $1`, p.org)
	p.send(added("k"))
	p.work()
	m := p.service.mails[0]
	if m.From.Name != "Müller GmbH" || m.ReplyTo != "help@mueller.example" || !strings.Contains(m.HTML, "Müller GmbH") {
		t.Errorf("%+v", m.From)
	}
}

// Both spellings of an international domain are the same address: for entries, for what
// people no longer want, and in the log.
func TestInternationalDomain(t *testing.T) {
	t.Parallel()
	const written, ascii = "Ada@München.example", "ada@xn--mnchen-3ya.example"
	for i, spellings := range [][2]string{{written, ascii}, {ascii, written}} {
		p := newPost(t)
		to := func(key string, m mail.Mail) {
			m.To.Address, m.Key = spellings[0], key
			p.send(m)
		}
		to("1", added("1"))
		p.work()
		testkit.Must(t, mail.Suppress(context.Background(), p.App, mail.Suppression{Recipient: spellings[1], Reason: mail.Bounce}))
		to("2", added("2"))
		p.Exec(t, `DELETE FROM mail_suppression`)
		to("3", disabled("3"))
		p.unsubscribe(p.org, ascii, "webhooks")
		p.work()
		list, _, err := mail.ListAll(context.Background(), p.App, mail.Filter{Recipient: spellings[1]}, 10)
		got := ""
		for _, m := range list {
			got += m.Key + " " + m.Status + "; "
		}
		if err != nil || got != "3 suppressed; 2 suppressed; 1 sent; " {
			t.Errorf("%d: %s (%v)", i, got, err)
		}
	}
}
