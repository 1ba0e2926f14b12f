package invitation_test

import (
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/invitation"
	"portico/shared/secret"
	"portico/shared/testkit"
)

// A link is read as it was written, and nothing else is.
func TestLink(t *testing.T) {
	t.Parallel()
	link := invitation.Link{Org: id.New[id.Org](time.Now()), Token: secret.NewToken()}
	text := link.Text()
	if read, err := invitation.ParseLink(text); err != nil || read != link || len(text) != 64 {
		t.Errorf("%q is read as %v, %v", text, read, err)
	}
	for _, bad := range []string{"", text[:63], text + "A", text[:62] + "\r\n", text[:63] + "=", text[:63] + "+", invitation.Link{Token: link.Token}.Text()} {
		if read, err := invitation.ParseLink(bad); err == nil {
			t.Errorf("%q is read as %v", bad, read)
		}
	}
}

// Invitations are forgotten 90 days after their end, and no others.
func TestForget(t *testing.T) {
	t.Parallel()
	d := testkit.DB(t)
	org, now := d.NewOrg(t), d.Clock.Now()
	for email, ended := range map[string]time.Duration{"old@example.com": 91, "lately@example.com": 89, "open@example.com": -5} {
		d.Insert(t, "invitation", testkit.Row{
			"org_id": org, "id": id.New[id.Invitation](now), "email": email, "predefined": "viewer", "locale": "", "token_hash": secret.NewToken().Sum(),
			"inviter_type": "staff_key", "inviter_id": "k", "inviter_name": "", "expires_at": now.Add(-ended * 24 * time.Hour),
		})
	}
	for _, want := range []int64{1, 0} {
		if n, err := invitation.Forget(t.Context(), d.OneSession(t), 10); err != nil || n != want {
			t.Errorf("%d were forgotten, want %d (%v)", n, want, err)
		}
	}
	if left := testkit.Value[string](t, d, `SELECT string_agg(email, ' ' ORDER BY email) FROM invitation`); left != "lately@example.com open@example.com" {
		t.Errorf("left are %s", left)
	}
}
