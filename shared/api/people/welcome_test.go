package people_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// mails counts the mails of an organization that its jobs will send, by language.
const mails = `SELECT coalesce(string_agg(m.locale || ' ' || m.recipient || ' ' || m.status, ', ' ORDER BY m.id), 'none') FROM mail m
	JOIN job j ON j.org_id = m.org_id AND j.kind = 'mail.send' AND j.unique_key LIKE 'mail_%'
	WHERE m.org_id = $1 AND m.template = 'member_added'`

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
}
