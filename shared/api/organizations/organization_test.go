package organizations_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// An organization is read and changed by its own keys. A change that is based on
// an old version is refused, and so is a setting that the registry does not have.
func TestOrganization(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	reader := acme.With(auth.OrganizationRead)
	const whole = `"branding":{"display_name":"","logo_url":"","primary_color":"","accent_color":"","support_email":""}`
	for _, tt := range []struct {
		name, method, body string
		as                 apitest.Caller
		want               string
	}{
		{"get", "GET", "", acme, `200 "id":"` + acme.Org.String() + `" "name":"Acme" "version":1 "timezone":"UTC" "session_hours":12 ` + whole},
		{"get without permission", "GET", "", acme.With(auth.EventsRead), `403 organization:read`},
		{"rename", "PATCH", `{"version":1,"name":"Acme Corp"}`, acme, `200 "version":2 Corp`},
		{"with the old version", "PATCH", `{"version":1,"name":"Mine"}`, acme, `409 version_mismatch`},
		{"unchanged by it", "GET", "", reader, `200 Corp !Mine "version":2`},
		{"without a version", "PATCH", `{"settings":{"timezone":"Europe/Berlin","require_mfa":true}}`, acme, `200 "timezone":"Europe/Berlin" "require_mfa":true "locale":"en" "version":3`},
		{"another setting", "PATCH", `{"settings":{"locale":"de"}}`, acme, `200 "timezone":"Europe/Berlin" "locale":"de"`},
		{"back to the default", "PATCH", `{"settings":{"timezone":null}}`, acme, `200 "timezone":"UTC" "locale":"de"`},
		{"an unknown setting", "PATCH", `{"settings":{"no_such":1}}`, acme, `422 body.settings.no_such`},
		{"a wrong type", "PATCH", `{"settings":{"require_mfa":"yes"}}`, acme, `422 body.settings.require_mfa`},
		{"a wrong time zone", "PATCH", `{"settings":{"timezone":"Mars"}}`, acme, `422 body.settings.timezone`},
		{"a brand", "PATCH", `{"branding":{"logo_url":"https://example.com/l.svg","primary_color":"#0A7cff","support_email":"help@example.com","display_name":"ACME"}}`, acme, `200 "logo_url":"https://example.com/l.svg" "primary_color":"#0A7cff" "display_name":"ACME"`},
		{"part of it removed", "PATCH", `{"branding":{"logo_url":""}}`, acme, `200 "logo_url":"" "primary_color":"#0A7cff"`},
		{"a logo by http", "PATCH", `{"branding":{"logo_url":"http://example.com/l.svg"}}`, acme, `422 body.branding.logo_url`},
		{"a logo by script", "PATCH", `{"branding":{"logo_url":"javascript:alert(1)"}}`, acme, `422 body.branding.logo_url`},
		{"a logo with a password", "PATCH", `{"branding":{"logo_url":"https://a:b@example.com/"}}`, acme, `422 body.branding.logo_url`},
		{"a colour by name", "PATCH", `{"branding":{"accent_color":"red"}}`, acme, `422 body.branding.accent_color`},
		{"a colour that is more", "PATCH", `{"branding":{"accent_color":"#fff;x"}}`, acme, `422 body.branding.accent_color`},
		{"no address", "PATCH", `{"branding":{"support_email":"help"}}`, acme, `422 body.branding.support_email`},
		{"NUL in the name", "PATCH", `{"name":"a\u0000"}`, acme, `422 body.name`},
		{"no name", "PATCH", `{"name":""}`, acme, `422 body.name`},
		{"an unknown field", "PATCH", `{"id":"` + evil.Org.String() + `"}`, acme, `422 body.id`},
		{"change without permission", "PATCH", `{"name":"Mine"}`, reader, `403 organization:write`},
		{"the other one is as it was", "GET", "", evil, `200 "name":"Evil" "version":1`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do(tt.method, "/v1/organization", tt.body), tt.want) })
	}
}
