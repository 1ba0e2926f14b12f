package jobs_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/shared/jobs"
	"portico/shared/observe"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// The daily upkeep warns, in one line with a metric, of the client certificates
// that end within 30 days or have ended, and only of those that deliveries
// still present. Without any it says nothing.
func TestExpiringCertificates(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	org := db.NewOrg(t)
	var out bytes.Buffer
	maintain := func() jobs.Maintained {
		t.Helper()
		out.Reset()
		done, err := jobs.Maintain(ctx, db.Worker, observe.NewLog(&out, "test"))
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	for i, tt := range []struct{ days, disabled, deleted string }{
		{"31", "NULL", "NULL"}, {"365", "NULL", "NULL"}, {"1", "portico_now()", "NULL"}, {"1", "NULL", "portico_now()"}, {"NULL", "NULL", "NULL"},
	} {
		if _, err := db.Admin.Exec(ctx, fmt.Sprintf(`
			INSERT INTO webhook_endpoint (org_id, id, url, event_types, status, disabled_at, disabled_reason, deleted_at,
				certificate_expires_at, client_certificate, sealed_client_key)
			SELECT $1, gen_random_uuid(), 'https://example.com/%d', '{*}', CASE WHEN %[2]s IS NULL THEN 'enabled' ELSE 'disabled' END,
				%[2]s, CASE WHEN %[2]s IS NOT NULL THEN 'requested' END, %[3]s,
				portico_now() + %[4]s * interval '1 day', CASE WHEN %[4]s IS NOT NULL THEN ''::bytea END, CASE WHEN %[4]s IS NOT NULL THEN ''::bytea END`,
			i, tt.disabled, tt.deleted, tt.days), org); err != nil {
			t.Fatal(err)
		}
	}
	if done := maintain(); done.CertificatesExpiring != 0 || out.Len() != 0 {
		t.Errorf("31 days before the first one ends: %+v, %s", done, out.String())
	}
	for _, after := range []time.Duration{25 * time.Hour, 40 * 24 * time.Hour} { // 30 days before, and after the end
		db.Advance(t, after)
		done := maintain()
		if line := out.String(); done.CertificatesExpiring != 1 || strings.Count(line, "\n") != 1 ||
			!strings.Contains(line, `"level":"WARN"`) || !strings.Contains(line, `"CertificatesExpiring":1`) {
			t.Errorf("%+v, %s", done, line)
		}
	}
	list, err := webhook.ExpiringCertificates(ctx, db.Worker, 400*24*time.Hour)
	if err != nil || len(list) != 2 || list[0].Org != org || !list[0].ExpiresAt.Before(list[1].ExpiresAt) {
		t.Errorf("within 400 days: %+v, %v", list, err)
	}
}
