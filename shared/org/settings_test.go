package org_test

import (
	"strings"
	"testing"

	"portico/shared/fault"
	"portico/shared/org"
)

// A setting accepts values of its type and range, and null, which resets it.
// Unknown settings are refused.
func TestCheckSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		value any
		want  string
	}{
		{"timezone", "Europe/Berlin", ""}, {"timezone", "UTC", ""}, {"timezone", nil, ""},
		{"timezone", "Mars", "time zone"}, {"timezone", "", "time zone"}, {"timezone", "Local", "time zone"},
		{"timezone", "../../etc/passwd", "time zone"}, {"timezone", 1.0, "must be a text"},
		{"locale", "de", ""}, {"locale", "xx", "one of"},
		{"session_hours", 1.0, ""}, {"session_hours", 720.0, ""}, {"session_hours", 0.0, "whole number"},
		{"session_hours", 721.0, "whole number"}, {"session_hours", 1.5, "whole number"}, {"session_hours", "1", "must be a number"},
		{"require_mfa", true, ""}, {"require_mfa", "true", "must be a boolean"}, {"require_mfa", []any{}, "must be a boolean"},
		{"audit_retention_days", 30.0, ""}, {"audit_retention_days", nil, ""}, {"audit_retention_days", 29.0, "whole number, 30 to 3650"},
		{"event_retention_days", 1.0, ""}, {"event_retention_days", 3650.0, ""}, {"event_retention_days", nil, ""},
		{"event_retention_days", 0.0, "whole number, 1 to 3650"}, {"event_retention_days", 3651.0, "whole number"}, {"event_retention_days", 1e300, "whole number"},
		{"event_retention_days", 1.5, "whole number"}, {"event_retention_days", -1.0, "whole number"}, {"event_retention_days", "7", "must be a number"},
		{"no_such", true, "is not a setting"}, {"Timezone", "UTC", "is not a setting"}, {"no_such", nil, "is not a setting"},
	} {
		err := org.CheckSettings("body.settings", map[string]any{tt.name: tt.value})
		got := ""
		if err != nil {
			got = faultText(err)
		}
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s = %v: %q, want %q", tt.name, tt.value, got, tt.want)
		}
	}
}

// A setting that is not set, or whose value is no longer accepted, has its
// default. A setting that no longer exists is not shown.
func TestSettingsHaveDefaults(t *testing.T) {
	t.Parallel()
	set := org.Settings{"locale": "de", "timezone": "Gone/Away", "removed": 1.0}
	all := set.All()
	for _, name := range []string{"event_retention_days", "audit_retention_days"} {
		if days, shown := all[name]; !shown || days != nil {
			t.Errorf("%s is %v", name, days)
		}
	}
	if len(all) != 8 || all["role_model"] != "custom" || all["record_reads"] != false || all["locale"] != "de" || all["timezone"] != "UTC" || all["session_hours"] != 12.0 || all["require_mfa"] != false {
		t.Errorf("%v", all)
	}
	if org.Locale.Of(set) != "de" || org.SessionHours.Of(set) != 12 || org.RequireMFA.Of(nil) {
		t.Errorf("typed: %v %v %v", org.Locale.Of(set), org.SessionHours.Of(set), org.RequireMFA.Of(nil))
	}
}

// Only a plain e-mail address is accepted.
func TestIsEmail(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"ada@example.com": true, "a.b+c@sub.example.com": true, "müller@example.com": true,
		"": false, "ada": false, "@example.com": false, "ada@": false, "Ada <ada@example.com>": false, "<ada@example.com>": false,
		" ada@example.com": false, "ada@example.com\n": false, "a@b@c": false, "ada@example.com, b@example.com": false,
		strings.Repeat("a", 255) + "@example.com": false,
	} {
		if org.IsEmail(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func faultText(err error) string {
	f := fault.Of(err)
	if f == nil || len(f.Fields) != 1 {
		return "no fault of a field: " + err.Error()
	}
	return f.Fields[0].Message
}
