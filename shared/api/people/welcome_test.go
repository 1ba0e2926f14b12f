package people_test

import (
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// mails counts the mails of an organization that its jobs will send, by language.
const mails = `SELECT coalesce(string_agg(m.locale || ' ' || m.recipient || ' ' || m.status, ', ' ORDER BY m.recipient), 'none') FROM mail m
	WHERE m.org_id = $1 AND m.template = 'member_added'
		AND (SELECT count(*) FROM job j WHERE j.org_id = m.org_id AND j.kind = 'mail.send' AND j.unique_key LIKE 'mail_%')
			= (SELECT count(*) FROM mail o WHERE o.org_id = m.org_id)`

// Who is added as a member gets a mail in the organization's language, once: not if
// the request fails at its end, and not again if it is repeated.
func TestNewMemberGetsMail(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	apitest.Want(t, acme.Do("PATCH", "/v1/organization", `{"settings":{"locale":"de"}}`), "200 ")
	want := func(when, want string) {
		t.Helper()
		if got := testkit.Value[string](t, h.Database, mails, acme.Org); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	body := `{"email":"Ada@example.com","name":"Ada","role":"viewer"}`
	h.Exec(`ALTER TABLE audit_entry ADD CONSTRAINT broken CHECK (action <> 'member.create')`)
	apitest.Want(t, acme.Do("POST", "/v1/members", body, "Idempotency-Key", "k"), "500 internal")
	h.Exec(`ALTER TABLE audit_entry DROP CONSTRAINT broken`)
	want("rolled back", "none")
	for range 2 {
		apitest.Want(t, acme.Do("POST", "/v1/members", body, "Idempotency-Key", "k"), "201 ")
		want("added", "de ada@example.com queued")
	}
	apitest.Want(t, acme.Do("POST", "/v1/members", body), "409 member_exists")
	apitest.Want(t, acme.Do("POST", "/v1/members", `{"email":"ädä@example.com","role":"viewer"}`), "201 ")
	want("an address that no mail can be sent to", "de ada@example.com queued")
	apitest.Want(t, acme.Do("POST", "/v1/members", `{"email":"bea@example.com","role":"viewer","locale":"fr"}`), "201 ")
	want("in the member's own language", "de ada@example.com queued, fr bea@example.com queued")
}

// An organization cannot send mail to any number of addresses by adding them as
// members: after a hundred in a day members are added without a mail.
func TestWelcomesAreBounded(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, other := h.Organization("Acme"), h.Organization("Other")
	h.Exec(`INSERT INTO mail (org_id, id, stream, category, template, locale, recipient, recipient_name, key, status)
		SELECT $1, gen_random_uuid(), 'product', '', 'member_added', 'en', n || '@example.com', '', n::text, 'sent' FROM generate_series(1, 99) n`, acme.Org)
	mails := func() int {
		return testkit.Value[int](t, h.Database, `SELECT count(*) FROM mail WHERE status = 'queued'`)
	}
	for i, email := range []string{"a", "b", "c"} {
		apitest.Want(t, acme.Do("POST", "/v1/members", `{"email":"`+email+`@example.com","role":"viewer"}`), "201 ")
		if n := mails(); n != 1 {
			t.Errorf("after %d members there are %d mails", i+1, n)
		}
	}
	other.NewMember("a@example.com", "viewer")
	if n := mails(); n != 2 {
		t.Errorf("another organization: %d mails", n)
	}
	h.Advance(t, 25*time.Hour)
	acme.NewMember("d@example.com", "viewer")
	if n := mails(); n != 3 {
		t.Errorf("the next day: %d mails", n)
	}
}
