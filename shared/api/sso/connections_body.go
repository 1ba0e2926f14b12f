package sso

import (
	"strings"

	"portico/shared/api/edge"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/role"
	"portico/shared/sso"
	"portico/shared/sso/watch"
)

// ConnectionPath names a connection.
type ConnectionPath struct {
	ID id.SSOConnection `path:"id" doc:"The connection's id." example:"sso_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// SSOCertificateBody is a certificate of a connection.
type SSOCertificateBody struct {
	PEM     string      `json:"pem" doc:"The certificate in PEM." example:"-----BEGIN CERTIFICATE-----…"`
	SHA256  string      `json:"sha256" doc:"Its fingerprint, in hexadecimal." example:"5f2b…"`
	Subject string      `json:"subject" doc:"Whose it says that it is." example:"CN=Okta"`
	EndsAt  clock.Stamp `json:"ends_at" format:"date-time" doc:"When it ends."`
}

// SSOConnectionBody is a connection without its secret.
type SSOConnectionBody struct {
	ID              id.SSOConnection     `json:"id" doc:"The connection's id." example:"sso_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Type            string               `json:"type" enum:"saml,oidc" doc:"The protocol. It never changes."`
	Name            string               `json:"name" doc:"For people." example:"Okta"`
	Status          string               `json:"status" enum:"draft,active,disabled" doc:"draft: it can only be tested; active: people sign in by it; disabled: nobody does any more."`
	Issuer          *string              `json:"issuer" doc:"The issuer of OpenID Connect, or the provider's entity id of SAML; null: not known yet." example:"https://example.okta.com"`
	SSOURL          *string              `json:"sso_url" doc:"saml: where requests are sent; null: not known yet." example:"https://example.okta.com/app/1/sso/saml"`
	Certificates    []SSOCertificateBody `json:"certificates" nullable:"false" doc:"saml: whose keys sign assertions. No other key is trusted."`
	CertificatesEnd *clock.Stamp         `json:"certificates_end_at" format:"date-time" doc:"saml: when the last certificate ends; null: there is none. Owners get a mail 30, 14, 7 and 1 days before."`
	MetadataURL     *string              `json:"metadata_url" doc:"saml: where the provider publishes its metadata, which is read once a day; null: it is not read." example:"https://example.okta.com/app/1/sso/saml/metadata"`
	MetadataReadAt  *clock.Stamp         `json:"metadata_read_at" format:"date-time" doc:"saml: when the metadata was last taken; null: never."`
	MetadataError   *string              `json:"metadata_error" doc:"saml: why the last try has changed nothing; null: it has not failed."`
	ClientID        *string              `json:"client_id" doc:"oidc: what the provider knows Portico by; null: not known yet." example:"0oa1"`
	HasClientSecret bool                 `json:"has_client_secret" doc:"oidc: whether the client's secret is set. It is never shown."`
	Domains         []string             `json:"domains" nullable:"false" doc:"#SSOConnection.domains" example:"[\"example.com\"]"`
	DefaultRole     string               `json:"default_role" doc:"The role of people who become members by signing in." example:"viewer"`
	Enforced        bool                 `json:"enforced" doc:"#SSOConnection.enforced"`
	BreakGlass      *id.Member           `json:"break_glass_member_id" doc:"The one owner who enters without the provider although it is enforced; null: nobody." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	RedirectURI     *string              `json:"redirect_uri" doc:"oidc: the redirect URI to set at the provider; null: the type is saml." example:"https://portico.example.com/sign-in/sso/callback"`
	ACSURL          *string              `json:"acs_url" doc:"saml: the assertion consumer service to set at the provider; null: the type is oidc." example:"https://portico.example.com/saml/sso_01jdf3z9k2e4nv6xq8r0s1t2v3/acs"`
	EntityID        *string              `json:"entity_id" doc:"saml: the entity id (audience) to set at the provider; null: the type is oidc." example:"https://portico.example.com/saml/sso_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	CreatedAt       clock.Stamp          `json:"created_at" format:"date-time" doc:"When it was made."`
	UpdatedAt       clock.Stamp          `json:"updated_at" format:"date-time" doc:"When it was last changed."`
}

type connectionOutput struct{ Body SSOConnectionBody }

type listOutput struct{ Body edge.List[SSOConnectionBody] }

type createdOutput struct {
	Location string `header:"Location"`
	Body     SSOConnectionBody
}

// SSOSettings are what may be set of a connection.
type SSOSettings struct {
	Issuer       *string  `json:"issuer,omitempty" maxLength:"255" doc:"The issuer of OpenID Connect, or the provider's entity id of SAML; empty: not known yet." example:"https://example.okta.com"`
	SSOURL       *string  `json:"sso_url,omitempty" maxLength:"2000" doc:"saml: where requests are sent; empty: not known yet." example:"https://example.okta.com/app/1/sso/saml"`
	Certificates []string `json:"certificates,omitempty" maxItems:"10" nullable:"false" doc:"saml: all certificates that are trusted, each in PEM." example:"[\"-----BEGIN CERTIFICATE-----…\"]"`
	MetadataURL  *string  `json:"metadata_url,omitempty" maxLength:"2000" doc:"#SSOSettings.metadata_url" example:"https://example.okta.com/app/1/sso/saml/metadata"`
	ClientID     *string  `json:"client_id,omitempty" maxLength:"255" doc:"oidc: what the provider knows Portico by; empty: not known yet." example:"0oa1"`
	ClientSecret *string  `json:"client_secret,omitempty" maxLength:"1000" doc:"oidc: the client's secret, which is never shown; empty: removed." example:"s3cret"`
	Domains      []string `json:"domains,omitempty" maxItems:"20" nullable:"false" doc:"#SSOConnection.domains" example:"[\"example.com\"]"`
	DefaultRole  *string  `json:"default_role,omitempty" maxLength:"40" doc:"#SSOSettings.default_role" example:"viewer"`
	Enforced     *bool    `json:"enforced,omitempty" doc:"#SSOConnection.enforced"`
	BreakGlass   *string  `json:"break_glass_member_id,omitempty" maxLength:"40" doc:"The one owner who enters without the provider although it is enforced; empty: nobody." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type createConnectionInput struct {
	Body struct {
		Type string `json:"type" enum:"saml,oidc" doc:"The protocol. It never changes."`
		Name string `json:"name" minLength:"1" maxLength:"100" doc:"For people." example:"Okta"`
		SSOSettings
	}
}

// Resolve hands the input to the frame.
func (in *createConnectionInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

// Check refuses a name that cannot be shown.
func (in *createConnectionInput) Check(*edge.Call) error {
	return edge.CheckName("body.name", &in.Body.Name)
}

func (in *createConnectionInput) apply(c *edge.Call, one *sso.Connection) error {
	one.Name = in.Body.Name
	return in.Body.SSOSettings.apply(c, one)
}

type updateConnectionInput struct {
	ConnectionPath
	Body struct {
		Name *string `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"For people."`
		SSOSettings
	}
}

// Resolve hands the input to the frame.
func (in *updateConnectionInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

// Check refuses a name that cannot be shown.
func (in *updateConnectionInput) Check(*edge.Call) error {
	return edge.CheckName("body.name", in.Body.Name)
}

func (in *updateConnectionInput) apply(c *edge.Call, one *sso.Connection) error {
	set(&one.Name, in.Body.Name)
	return in.Body.SSOSettings.apply(c, one)
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

// apply changes a connection, or says what is wrong with the change.
func (b SSOSettings) apply(c *edge.Call, one *sso.Connection) error {
	set(&one.Issuer, b.Issuer)
	set(&one.SSOURL, b.SSOURL)
	set(&one.ClientID, b.ClientID)
	if b.MetadataURL != nil && *b.MetadataURL != one.MetadataURL {
		one.MetadataURL, one.MetadataReadAt, one.MetadataError = *b.MetadataURL, nil, ""
	}
	set(&one.Enforced, b.Enforced)
	if b.Certificates != nil {
		one.Certificates = b.Certificates
	}
	if b.Domains != nil {
		one.Domains = b.Domains
	}
	if b.ClientSecret != nil {
		one.SetSecret(c.Box, c.Org, *b.ClientSecret)
	}
	return fault.Join(printable(b), one.Complete(c.Hosts.Base), b.applyRole(c, one), b.applyBreakGlass(c, one))
}

// read lets the provider's metadata be read soon, if its address was sent.
func (b SSOSettings) read(c *edge.Call, connection id.SSOConnection) error {
	if b.MetadataURL == nil || *b.MetadataURL == "" {
		return nil
	}
	return watch.Read(c, c.Tx, c.Org, connection, *b.MetadataURL)
}

// printable refuses characters that are in no such value.
func printable(b SSOSettings) error {
	var faults []error
	for name, text := range map[string]*string{"issuer": b.Issuer, "sso_url": b.SSOURL, "metadata_url": b.MetadataURL, "client_id": b.ClientID, "client_secret": b.ClientSecret} {
		if text != nil && strings.ContainsFunc(*text, func(r rune) bool { return r < ' ' || r > '~' }) {
			faults = append(faults, fault.InvalidField("body."+name, "must have printable ASCII characters only"))
		}
	}
	return fault.Join(faults...)
}

func (b SSOSettings) applyRole(c *edge.Call, one *sso.Connection) error {
	if b.DefaultRole == nil {
		return nil
	}
	ref, err := role.ParseRef(*b.DefaultRole)
	if err != nil {
		return fault.InvalidField("body.default_role", err.Error())
	}
	one.DefaultRole = ref
	return member.CheckRole(c, c.Tx, c.Org, ref, mayGive(c))
}

func (b SSOSettings) applyBreakGlass(c *edge.Call, one *sso.Connection) error {
	if b.BreakGlass == nil {
		return nil
	}
	one.BreakGlass = id.Member{}
	if *b.BreakGlass == "" {
		return nil
	}
	owner, err := id.Parse[id.Member](*b.BreakGlass)
	if err != nil {
		return fault.InvalidField("body.break_glass_member_id", err.Error())
	}
	m, err := member.Get(c, c.Tx, c.Org, owner)
	if err != nil || m.Role.Predefined != role.Owner {
		return fault.InvalidField("body.break_glass_member_id", "must be an owner of the organization")
	}
	one.BreakGlass = owner
	return nil
}

// text returns null for "".
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func show(c *edge.Call, one sso.Connection) (b SSOConnectionBody, err error) {
	b = SSOConnectionBody{
		ID: one.ID, Type: one.Type, Name: one.Name, Status: one.Status, Issuer: text(one.Issuer), SSOURL: text(one.SSOURL), Certificates: []SSOCertificateBody{}, CertificatesEnd: clock.StampOf(one.CertificatesEndAt),
		MetadataURL: text(one.MetadataURL), MetadataReadAt: clock.StampOf(one.MetadataReadAt), MetadataError: text(one.MetadataError),
		ClientID: text(one.ClientID), HasClientSecret: one.SealedClientSecret != nil, Domains: one.Domains, DefaultRole: one.DefaultRole.String(),
		Enforced: one.Enforced, CreatedAt: clock.Stamp(one.CreatedAt), UpdatedAt: clock.Stamp(one.UpdatedAt),
	}
	if !one.BreakGlass.IsZero() {
		b.BreakGlass = &one.BreakGlass
	}
	for _, pem := range one.Certificates {
		shown, err := sso.ShowCertificate(pem)
		if err != nil {
			return b, err
		}
		b.Certificates = append(b.Certificates, SSOCertificateBody{pem, shown.SHA256, shown.Subject, clock.Stamp(shown.EndsAt)})
	}
	public := c.Apps.Resource
	if one.Type == sso.OIDC {
		b.RedirectURI = text(public + sso.CallbackPath)
	} else {
		b.ACSURL, b.EntityID = text(sso.ACS(public, one.ID)), text(sso.EntityID(public, one.ID))
	}
	return b, nil
}
