package mail_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// rates are those of each stream: since it was resumed | by week. «-»: not known.
func rates(t *testing.T, r apitest.Reply) (text string) {
	t.Helper()
	type rates struct {
		Delivered, Bounced, Complained int
		BounceRate                     *float64 `json:"bounce_rate"`
		ComplaintRate                  *float64 `json:"complaint_rate"`
	}
	var body struct {
		Streams []struct {
			Stream  string
			Present rates
			Weeks   []struct{ Rates rates }
		}
	}
	r.Decode(t, &body)
	show := func(r rates) string {
		s := fmt.Sprintf("%d/%d/%d", r.Delivered, r.Bounced, r.Complained)
		for _, rate := range []*float64{r.BounceRate, r.ComplaintRate} {
			if rate == nil {
				s += " -"
			} else {
				s += fmt.Sprintf(" %g", *rate)
			}
		}
		return s
	}
	for _, s := range body.Streams {
		var weeks []string
		for _, w := range s.Weeks {
			weeks = append(weeks, show(w.Rates))
		}
		text += s.Stream + ": " + show(s.Present) + " | " + strings.Join(weeks, ", ") + "; "
	}
	return text
}

// Staff see how often mails bounce, in all databases together, and resume marketing in
// all of them. If one does not answer, they repeat it.
func TestStreams(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	customer, staff, acme := h.Organization("Acme"), h.NewStaff(), testkit.DB(t)
	testkit.Must(t, h.App.Add(context.Background(), "acme", acme.URL("portico_app")))
	const see, resume = "/v1/staff/deliverability", "/v1/staff/deliverability/resume-marketing"
	for i, db := range []*testkit.Database{h.Database, acme} {
		db.Exec(t, `
			INSERT INTO mail_stream_day (stream, day, run, shard, delivered, bounced, complained)
			SELECT s, (portico_now() AT TIME ZONE 'UTC')::date - ago, 1, shard, delivered, bounced, 0
			FROM (VALUES ('marketing', 0, 1, 40, 5), ('marketing', 6, 2, 5, 0), ('marketing', 7, 3, 30, 9), ('product', 27, 1, 500, 0), ('product', 28, 1, 7, 7)) v (s, ago, shard, delivered, bounced)`)
		if i == 0 {
			db.Exec(t, `INSERT INTO job_kind (kind, paused_at, paused_by, pause_reason) VALUES ('mail.send_marketing', portico_now(), 'mail-feedback', 'Too many bounces.')`)
		}
	}
	shown := staff.Do("GET", see, "")
	apitest.Want(t, shown, `200 "paused_by":"mail-feedback" "reason":"Too many bounces."`)
	if got := rates(t, shown); got != "product: 0/0/0 - - | 0/0/0 - -, 0/0/0 - -, 0/0/0 - -, 1000/0/0 0 0; marketing: 90/10/0 0.1 - | 90/10/0 0.1 -, 60/18/0 - -, 0/0/0 - -, 0/0/0 - -; " {
		t.Error(got)
	}

	const because = `{"reason":"the list is clean"}`
	apitest.Want(t, customer.Do("POST", resume, because), `403 staff_only`)
	apitest.Want(t, staff.Do("POST", resume, `{}`), `422 body.reason`)
	acme.Exec(t, `INSERT INTO job_kind (kind, paused_at, paused_by, pause_reason) VALUES ('mail.send_marketing', portico_now(), 'staff_x', '')`)
	acme.Exec(t, `ALTER FUNCTION begin_mail_stream RENAME TO away`)
	apitest.Want(t, staff.Do("POST", resume, because), `503`)
	paused := func() int {
		const sql = `SELECT count(*) FROM job_kind WHERE paused_at IS NOT NULL`
		return testkit.Value[int](t, h.Database, sql) + testkit.Value[int](t, acme, sql)
	}
	if n := paused(); n != 2 {
		t.Errorf("it is paused in %d databases after a failure", n)
	}
	acme.Exec(t, `ALTER FUNCTION away RENAME TO begin_mail_stream`)
	apitest.Want(t, staff.Do("POST", resume, because), `200 "resumed":true`)
	if n := paused(); n != 0 {
		t.Errorf("it is still paused in %d databases", n)
	}
	apitest.Want(t, staff.Do("POST", resume, because), `200 "resumed":false`)
	shown = staff.Do("GET", see, "")
	apitest.Want(t, shown, `200 "pauses":[]`)
	if got := rates(t, shown); !strings.Contains(got, "marketing: 0/0/0 - - | 90/10/0 0.1 -,") {
		t.Errorf("after the resumption: %s", got)
	}
	acme.Exec(t, `ALTER FUNCTION mail_stream_days RENAME TO away`)
	apitest.Want(t, staff.Do("GET", see, ""), `200 The database acme did not answer`)
}
