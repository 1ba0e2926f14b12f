package jobs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"portico/shared/audit/scheduled"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A member is told of an export in the member's language, without a link that would work
// by itself, unless the member may not read the log, is gone, or gets no mail. Who may
// change schedules is told of one that fails for a while, once.
func TestMembersAreToldOfExports(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	org := db.NewOrg(t)
	s, seen := newShift(t, db, jobs.Deleter{}), map[string]bool{}
	addPeople(t, db, org)
	member := func(email string) id.Member {
		return id.Member{UUID: testkit.Value[uuid.UUID](t, db, `SELECT m.id FROM member m JOIN user_account u ON u.id = m.user_id WHERE u.email = $1`, email)}
	}
	var made scheduled.Schedule
	db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) (err error) {
		made, err = scheduled.Insert(ctx, tx, org, scheduled.New{Every: scheduled.Day, Format: "csv", To: scheduled.Destination{Member: member("owner@example.com")}}, db.Clock.Now())
		return err
	})
	due := func() {
		t.Helper()
		db.Exec(t, `DELETE FROM job`)
		db.Exec(t, `
			WITH made AS (INSERT INTO audit_export (org_id, id, job_id, format, filter, status, last_number, finished_at)
				SELECT $1, gen_random_uuid(), $1, 'csv', '{}', 'succeeded', 0, portico_now() RETURNING id)
			UPDATE audit_export_schedule SET export_id = made.id, next_until = portico_now() - interval '1 hour', next_since = portico_now() - interval '25 hours' FROM made`, org)
		db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
			_, _, err := scheduled.Update(ctx, tx, org, made.ID, scheduled.Change{}, db.Clock.Now())
			return err
		})
		s.rest()
	}
	due()
	wantMails(t, "a file", s.mails(seen), "audit_export_ready owner@example.com fr")
	if data := s.data("owner@example.com"); strings.Contains(data, "X-Amz") || !strings.Contains(data, "aex_") {
		t.Errorf("the mail says %s", data)
	}
	for email, want := range map[string]string{"viewer@example.com": "may not read", "": "was removed"} {
		to := uuid.New()
		if email != "" {
			to = member(email).UUID
		}
		db.Exec(t, `UPDATE audit_export_schedule SET member_id = $1`, to)
		due()
		if got := testkit.Value[string](t, db, `SELECT coalesce(last_error, '') FROM audit_export_schedule`); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", email, got, want)
		}
	}
	db.Exec(t, `UPDATE audit_export_schedule SET member_id = $1`, member("owner@example.com"))
	testkit.Exec(t, db.Admin, `SELECT suppress_mail('owner@example.com', 'bounce', '', NULL, NULL)`)
	due()
	if got := testkit.Value[string](t, db, `SELECT coalesce(last_error, '') FROM audit_export_schedule`); !strings.Contains(got, "gets no mail (bounce)") {
		t.Error(got)
	}
	wantMails(t, "no file", s.mails(seen))
	for range 6 {
		s.Advance(t, 7*time.Hour)
		db.Exec(t, `UPDATE audit_export SET finished_at = portico_now()`)
		s.rest()
	}
	if mails := s.mails(seen); len(mails) != 1 || !strings.HasPrefix(mails[0], "audit_export_failing owner@example.com") {
		t.Errorf("%q, want one about the failure", mails)
	}
}
