package erasure_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"portico/shared/erasure"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// about is Portico's event about a mail.
func about(recipient string) event.Draft {
	return event.Draft{Type: webhook.EventMailBounced, Data: json.RawMessage(fmt.Sprintf(`{"mail_id":"mail_01jdf3z9k2e4nv6xq8r0s1t2v3","recipient":%q,"detail":"550 no"}`, recipient))}
}

// The mails to the address become stubs, in whatever state they are, and so do the
// events about them, even those that are published while the erasure runs. Mails to
// others, those of another organization and what protects the person stay.
func TestMailsOfPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	foreign := w.NewOrg(t)
	states := []string{"queued", "sending", "sent", "bounced"}
	var own []id.Mail
	for _, state := range states {
		m := w.mailTo(w.org, "Ada@BÜCHER.example", "ada/"+state)
		w.Exec(t, `UPDATE mail SET status = $2, provider_id = 'p', digest = '\x01', error = CASE WHEN $2 = 'bounced' THEN '550 no Ada' END WHERE id = $1`, m, state)
		own = append(own, m)
	}
	others := []id.Mail{w.mailTo(w.org, "eve@example.com", "eve"), w.mailTo(foreign, "ada@bücher.example", "ada")}
	w.Exec(t, `INSERT INTO mail_suppression (recipient, reason) VALUES ('ada@xn--bcher-kva.example', 'complaint')`)
	w.Exec(t, `INSERT INTO mail_unsubscribed (org_id, recipient, category) VALUES ($1, 'ada@xn--bcher-kva.example', 'c')`, w.org)
	reports := w.publish(about("Ada@xn--bcher-kva.example"), about("eve@example.com"), draft("ada@bücher.example"))
	w.Advance(t, time.Second)
	person := erasure.Person{Recipient: new("ADA@bücher.example"), Filter: new(`data.who == "Ada" || data.recipient == "bob@example.com"`), OrderingKeys: []string{"ada"}}

	if r := w.erased(erasure.New{Person: person, DryRun: true}); r.Mails != 4 || r.Events != 1 || len(w.stubs()) != 0 {
		t.Errorf("a dry run: %+v", r)
	}
	r := w.start(erasure.New{Person: person})
	w.work()
	w.Advance(t, time.Minute)
	late := w.publish(about("Ada@xn--bcher-kva.example"), draft("Ada"), keyed("", "ada"), about("bob@example.com")) // a report comes before its mail is expunged
	for range 5 {
		w.Advance(t, time.Minute)
		w.work()
	}
	if r = w.get(r); r.Status != erasure.Succeeded || r.Mails != 4 || r.Events != 2 {
		t.Errorf("%+v", r)
	}
	if got, want := w.stubs(), texts(reports[:1], late[:1]); !slices.Equal(got, want) {
		t.Errorf("expunged %v, want %v", got, want)
	}
	for i, want := range []string{"suppressed", "unknown", "sent", "bounced"} {
		m := w.find(own[i])
		if m.Status != want || !m.IsExpunged() || m.RecipientName != "" || m.Key != own[i].UUID.String() || m.ProviderID != nil || (m.Error == nil) != (want == "sent") ||
			m.Error != nil && *m.Error != "removed: the mail was expunged" {
			t.Errorf("%s has become %+v", states[i], m)
		}
	}
	for _, m := range others {
		if m := w.find(m); m.IsExpunged() || m.RecipientName != "Ada" {
			t.Errorf("another mail has become %+v", m)
		}
	}
	left := testkit.Value[string](t, w.Database, `
		SELECT concat((SELECT count(*) FROM mail WHERE data IS NOT NULL OR digest IS NOT NULL), (SELECT count(*) FROM mail_suppression), (SELECT count(*) FROM mail_unsubscribed))`)
	if left != "211" {
		t.Errorf("left are %s, want the data of two other mails, and both entries of the address", left)
	}
	// Its cause does not send it again.
	w.mailTo(w.org, "ada@bücher.example", "ada/queued")
	if n := testkit.Value[int](t, w.Database, `SELECT count(*) FROM mail WHERE org_id = $1`, w.org); n != 5 {
		t.Errorf("there are %d mails, want the five from before", n)
	}
}

// Mails outside the range of time stay, and so do the reports.
func TestMailsOfRange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.mailTo(w.org, "ada@example.com", "old")
	w.Advance(t, time.Hour)
	between := w.Clock.Now()
	w.Advance(t, time.Hour)
	young := w.mailTo(w.org, "ada@example.com", "young")
	w.publish(about("ada@example.com"))
	w.Advance(t, time.Second)
	for _, n := range []erasure.New{{Since: &between}, {Until: &between}} {
		n.Person, n.DryRun = erasure.Person{Recipient: new("ada@example.com")}, true
		if r := w.erased(n); r.Mails != 1 {
			t.Errorf("%+v", r)
		}
	}
	w.erased(erasure.New{Person: erasure.Person{Recipient: new("ada@example.com")}, Until: &between})
	if !w.find(old).IsExpunged() || w.find(young).IsExpunged() || len(w.stubs()) != 0 {
		t.Errorf("%+v, %+v, %v", w.find(old), w.find(young), w.stubs())
	}
}

func (w *world) find(m id.Mail) mail.Logged {
	w.t.Helper()
	found, err := mail.Find(context.Background(), w.App, m)
	testkit.Must(w.t, err)
	return found
}
