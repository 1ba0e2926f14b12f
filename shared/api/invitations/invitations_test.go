package invitations_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

const nobodys = "inv_01890000000000000000000000"

// Every operation works on the caller's own invitations, and on no other organization's.
// Nobody can invite to a role that has more permissions than they have.
func TestInvitations(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	acme.NewMember("member@example.com", "viewer")
	own := acme.Make("/v1/invitations", `{"email":"Ada@example.com","role":"viewer","locale":"de"}`)
	foreign := evil.Make("/v1/invitations", `{"email":"ada@example.com","role":"owner"}`)
	weak := acme.Make("/v1/roles", `{"name":"weak","permissions":["events:read"]}`)
	strong := acme.Make("/v1/roles", `{"name":"strong","permissions":["organization:write"]}`)
	foreignRole := evil.Make("/v1/roles", `{"name":"weak","permissions":["events:read"]}`)
	reader, narrow := acme.With(auth.MembersRead), acme.With(auth.MembersRead, auth.MembersWrite, auth.EventsRead)
	body := func(email, role string) string { return `{"email":"` + email + `","role":"` + role + `"}` }
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"list own", "GET", "", "", acme, `200 ` + own + ` !` + foreign + ` "email":"ada@example.com" "locale":"de" "status":"open" "accepted_at":null !token`},
		{"list without permission", "GET", "", "", acme.With(auth.EventsRead), `403 members:read`},
		{"list with a forged cursor", "GET", "?after=AAAA", "", acme, `422 query.after`},
		{"without permission", "POST", "", body("x@example.com", "viewer"), reader, `403 members:write`},
		{"half an address", "POST", "", body("ada", "viewer"), acme, `422 body.email`},
		{"no mail can be sent there", "POST", "", body("ädä@example.com", "viewer"), acme, `422 body.email`},
		{"a line end in the address", "POST", "", `{"email":"a@example.com\r\nBcc: b@example.com","role":"viewer"}`, acme, `422 body.email`},
		{"an unknown role", "POST", "", body("x@example.com", "king"), acme, `422 body.role`},
		{"a missing role", "POST", "", body("x@example.com", "role_01890000000000000000000000"), acme, `404 role_not_found`},
		{"another organization's role", "POST", "", body("x@example.com", foreignRole), acme, `404 role_not_found`},
		{"an unknown language", "POST", "", `{"email":"x@example.com","role":"viewer","locale":"tlh"}`, acme, `422 body.locale`},
		{"who is invited", "POST", "", body("ADA@example.com", "viewer"), acme, `409 invitation_exists`},
		{"a member", "POST", "", body("Member@example.com", "viewer"), acme, `409 member_exists`},
		{"another organization's member", "POST", "", body("member@example.com", "viewer"), evil, `201 "status":"open"`},
		{"beyond one's own", "POST", "", body("x@example.com", "viewer"), narrow, `403 grant_exceeded`},
		{"an owner", "POST", "", body("x@example.com", "owner"), narrow, `403 grant_exceeded`},
		{"a strong role of one's own", "POST", "", body("x@example.com", strong), narrow, `403 grant_exceeded organization:write`},
		{"a weak role of one's own", "POST", "", body("x@example.com", weak), narrow, `201 "role":"` + weak + `"`},
		{"resend", "POST", "/" + own + "/resend", "", acme, `200 "status":"open"`},
		{"resend beyond one's own", "POST", "/" + own + "/resend", "", narrow, `403 grant_exceeded`},
		{"resend without permission", "POST", "/" + own + "/resend", "", reader, `403 members:write`},
		{"resend another organization's", "POST", "/" + foreign + "/resend", "", acme, `404 invitation_not_found`},
		{"resend a missing one", "POST", "/" + nobodys + "/resend", "", acme, `404 invitation_not_found`},
		{"revoke another organization's", "DELETE", "/" + foreign, "", acme, `404 invitation_not_found`},
		{"revoke with a malformed id", "DELETE", "/inv_1", "", acme, `422 path.id`},
		{"revoke without permission", "DELETE", "/" + own, "", reader, `403 members:write`},
		{"revoke", "DELETE", "/" + own, "", narrow, `204`},
		{"revoke again", "DELETE", "/" + own, "", acme, `409 invitation_ended`},
		{"resend a revoked one", "POST", "/" + own + "/resend", "", acme, `409 invitation_ended`},
		{"invite again", "POST", "", body("ada@example.com", "viewer"), acme, `201 "status":"open"`},
		{"list the revoked one", "GET", "", "", acme, `200 ` + own + ` "status":"revoked"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/invitations"+tt.path, tt.body), tt.want)
		})
	}
}

// An invitation ends after seven days. Then it can be sent again, or the address invited
// anew; ninety days later it is forgotten.
func TestInvitationsExpire(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	one := acme.Make("/v1/invitations", `{"email":"ada@example.com","role":"viewer"}`)
	acme.Make("/v1/invitations", `{"email":"bob@example.com","role":"viewer"}`)
	h.Advance(t, 7*24*time.Hour)
	apitest.Want(t, acme.Do("GET", "/v1/invitations", ""), `200 "status":"expired" !"status":"open"`)
	apitest.Want(t, acme.Do("POST", "/v1/invitations/"+one+"/resend", ""), `200 "status":"open"`)
	acme.Make("/v1/invitations", `{"email":"bob@example.com","role":"viewer"}`)
	apitest.Want(t, acme.Do("GET", "/v1/invitations", ""), `200 "status":"expired" !"status":"revoked"`)
}

// mails counts the invitations that were mailed to an address.
func mails(t *testing.T, h *apitest.Harness, email string) int {
	t.Helper()
	return testkit.Value[int](t, h.Database, `SELECT count(*) FROM mail WHERE template = 'invitation' AND recipient = $1`, email)
}

// Nobody fills a mailbox: an organization mails an address three times a day and a hundred
// invitations in all; all of them together invite it five times. An organization does not
// learn what others do.
func TestInvitationMailsAreBounded(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	own := acme.Make("/v1/invitations", `{"email":"ada@example.com","role":"viewer"}`)
	for i := range 3 {
		apitest.Want(t, acme.Do("POST", "/v1/invitations/"+own+"/resend", ""), []string{"200 ", "200 ", "429 too_many_invitation_mails"}[i])
	}
	apitest.Want(t, acme.Do("DELETE", "/v1/invitations/"+own, ""), "204")
	again := acme.Do("POST", "/v1/invitations", `{"email":"ada@example.com","role":"viewer"}`)
	if apitest.Want(t, again, "429 too_many_invitation_mails"); again.Header.Get("Retry-After") == "" || mails(t, h, "ada@example.com") != 3 {
		t.Errorf("Retry-After %q, %d mails", again.Header.Get("Retry-After"), mails(t, h, "ada@example.com"))
	}
	h.Exec(`INSERT INTO mail (org_id, id, stream, category, template, locale, recipient, recipient_name, key, status)
		SELECT $1, gen_random_uuid(), 'product', '', 'invitation', 'en', n || '@example.com', '', n::text, 'sent' FROM generate_series(1, 96) n`, acme.Org)
	acme.Make("/v1/invitations", `{"email":"last@example.com","role":"viewer"}`)
	apitest.Want(t, acme.Do("POST", "/v1/invitations", `{"email":"more@example.com","role":"viewer"}`), "429 too_many_invitation_mails")
	for i := range 6 {
		other := h.Organization(fmt.Sprint("Other ", i))
		apitest.Want(t, other.Do("POST", "/v1/invitations", `{"email":"bob@example.com","role":"viewer"}`), `201 "status":"open"`)
	}
	if n := mails(t, h, "bob@example.com"); n != 5 {
		t.Errorf("%d mails of six organizations", n)
	}
	h.Advance(t, 25*time.Hour)
	acme.Make("/v1/invitations", `{"email":"bob@example.com","role":"viewer"}`)
	if n := mails(t, h, "bob@example.com"); n != 6 {
		t.Errorf("%d mails the next day", n)
	}
}

// Of fifty who invite an address at once one succeeds, and it is mailed once. A request that
// fails at its end mails nothing.
func TestInviteAtOnce(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	h.Exec(`ALTER TABLE audit_entry ADD CONSTRAINT broken CHECK (action <> 'invitation.create')`)
	apitest.Want(t, acme.Do("POST", "/v1/invitations", `{"email":"ada@example.com","role":"viewer"}`), "500 internal")
	h.Exec(`ALTER TABLE audit_entry DROP CONSTRAINT broken`)
	if n := mails(t, h, "ada@example.com"); n != 0 {
		t.Errorf("%d mails of a request that has failed", n)
	}
	replies := make([]apitest.Reply, 50)
	var group sync.WaitGroup
	for i := range replies {
		group.Go(func() {
			replies[i] = acme.Do("POST", "/v1/invitations", `{"email":"ada@example.com","role":"viewer"}`)
		})
	}
	group.Wait()
	made := 0
	for _, r := range replies {
		switch {
		case r.Status == 201:
			made++
		case r.Status != 409:
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	if n := mails(t, h, "ada@example.com"); made != 1 || n != 1 {
		t.Errorf("%d were made, %d mails", made, n)
	}
}
