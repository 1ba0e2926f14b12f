package organizations

// Branding describes org.Branding.
type Branding struct {
	DisplayName  string `json:"display_name" doc:"Shown instead of the organization's name." example:"Acme Billing"`
	LogoURL      string `json:"logo_url" doc:"An image, by https." example:"https://example.com/logo.svg"`
	PrimaryColor string `json:"primary_color" example:"#0a7cff" doc:"As #rrggbb."`
	AccentColor  string `json:"accent_color" example:"#ffb300" doc:"As #rrggbb."`
	SupportEmail string `json:"support_email" doc:"Address to which its people write for help." example:"help@example.com"`
}

// BrandingChange describes org.BrandingChange.
type BrandingChange struct {
	DisplayName  *string `json:"display_name,omitempty" maxLength:"200" doc:"Shown instead of the organization's name."`
	LogoURL      *string `json:"logo_url,omitempty" maxLength:"2048" doc:"An image, by https." example:"https://example.com/logo.svg"`
	PrimaryColor *string `json:"primary_color,omitempty" maxLength:"7" doc:"As #rrggbb." example:"#0a7cff"`
	AccentColor  *string `json:"accent_color,omitempty" maxLength:"7" doc:"As #rrggbb." example:"#ffb300"`
	SupportEmail *string `json:"support_email,omitempty" maxLength:"254" doc:"Address to which its people write for help." example:"help@example.com"`
}
