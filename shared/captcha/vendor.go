package captcha

import (
	"fmt"
	"strings"
)

// Vendor is a service that shows CAPTCHAs. They have the same protocol.
type Vendor struct {
	Name     string // as in configuration and replies
	Endpoint string // verifies a token
	Field    string // in which a form of a page sends the token
	Class    string // of the element that the widget fills
	Script   string // address of the widget
	// Sources are what a page's Content-Security-Policy must allow for scripts,
	// frames, styles and connections.
	Sources string
	// HasAction: the widget is given the name of what it protects, and the vendor
	// answers it with the token.
	HasAction bool
}

// The vendors.
var (
	Turnstile = Vendor{
		Name: "turnstile", Endpoint: "https://challenges.cloudflare.com/turnstile/v0/siteverify",
		Field: "cf-turnstile-response", Class: "cf-turnstile",
		Script: "https://challenges.cloudflare.com/turnstile/v0/api.js", Sources: "https://challenges.cloudflare.com", HasAction: true,
	}
	HCaptcha = Vendor{
		Name: "hcaptcha", Endpoint: "https://api.hcaptcha.com/siteverify",
		Field: "h-captcha-response", Class: "h-captcha",
		Script: "https://js.hcaptcha.com/1/api.js", Sources: "https://hcaptcha.com https://*.hcaptcha.com",
	}
)

// VendorNamed returns the vendor with a name.
func VendorNamed(name string) (Vendor, error) {
	for _, v := range []Vendor{Turnstile, HCaptcha} {
		if v.Name == name {
			return v, nil
		}
	}
	return Vendor{}, fmt.Errorf("captcha: there is no vendor %q: it must be %s or %s", name, Turnstile.Name, HCaptcha.Name)
}

// Config is how a stage uses a vendor.
type Config struct {
	Vendor   Vendor
	Endpoint string // instead of the vendor's; "": the vendor's
	SiteKey  string // public: for the widget
	Secret   string // "": every token is refused
	// Hostnames are those of the pages on which the widget may have been solved;
	// none: any.
	Hostnames []string
}

func (c Config) endpoint() string {
	if c.Endpoint != "" {
		return c.Endpoint
	}
	return c.Vendor.Endpoint
}

// reply is what both vendors answer, as far as it is read.
type reply struct {
	Success    bool     `json:"success"`
	ErrorCodes []string `json:"error-codes"`
	Hostname   string   `json:"hostname"`
	Action     string   `json:"action"` // Turnstile only
}

// ours reports whether the vendor refuses because of our configuration, not
// because of the token.
func (r reply) ours() bool {
	for _, code := range r.ErrorCodes {
		switch code {
		case "missing-input-secret", "invalid-input-secret", "sitekey-secret-mismatch", "bad-request", "internal-error":
			return true
		}
	}
	return false
}

// codes returns the vendor's codes for the log, bounded because they come from
// outside.
func (r reply) codes() string {
	text := strings.Join(r.ErrorCodes, " ")
	if len(text) > 200 {
		text = text[:200]
	}
	return text
}
