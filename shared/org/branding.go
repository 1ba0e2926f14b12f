package org

import (
	"net/url"
	"regexp"
	"strings"

	"portico/shared/fault"
)

// Branding is how an organization appears to its people; "" is ours.
type Branding struct {
	DisplayName  string `json:"display_name"`
	LogoURL      string `json:"logo_url"`
	PrimaryColor string `json:"primary_color"`
	AccentColor  string `json:"accent_color"`
	SupportEmail string `json:"support_email"`
}

// BrandingChange names the fields to change; nil leaves one as it is, and ""
// removes it.
type BrandingChange struct {
	DisplayName  *string `json:"display_name,omitempty"`
	LogoURL      *string `json:"logo_url,omitempty"`
	PrimaryColor *string `json:"primary_color,omitempty"`
	AccentColor  *string `json:"accent_color,omitempty"`
	SupportEmail *string `json:"support_email,omitempty"`
}

var color = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// Check returns the fault of all fields that cannot be accepted.
func (c BrandingChange) Check(field string) error {
	var faults []error
	for _, f := range []struct {
		name  string
		value *string
		ok    func(string) bool
		wrong string
	}{
		{"logo_url", c.LogoURL, isHTTPS, "must be an absolute https URL"},
		{"primary_color", c.PrimaryColor, color.MatchString, "must be a colour such as #0a7cff"},
		{"accent_color", c.AccentColor, color.MatchString, "must be a colour such as #0a7cff"},
		{"support_email", c.SupportEmail, IsEmail, "must be an e-mail address such as help@example.com"},
	} {
		if f.value != nil && *f.value != "" && !f.ok(*f.value) {
			faults = append(faults, fault.InvalidField(field+"."+f.name, f.wrong))
		}
	}
	return fault.Join(faults...)
}

func isHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && !strings.Contains(u.Hostname(), "%") && u.User == nil && u.Opaque == ""
}

func (b Branding) with(c BrandingChange) Branding {
	for _, f := range []struct {
		field *string
		to    *string
	}{
		{&b.DisplayName, c.DisplayName}, {&b.LogoURL, c.LogoURL}, {&b.PrimaryColor, c.PrimaryColor},
		{&b.AccentColor, c.AccentColor}, {&b.SupportEmail, c.SupportEmail},
	} {
		if f.to != nil {
			*f.field = *f.to
		}
	}
	return b
}
