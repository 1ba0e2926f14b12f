// Package assertion sends people to the SAML provider of an organization, and takes what
// the provider asserts of them. The response comes from the provider's page, without our
// cookies. So it waits in the attempt to sign in that has begun here, for the browser of
// this attempt.
package assertion

import (
	"context"
	"encoding/json"
	"errors"

	"portico/shared/account"
	"portico/shared/id"
	"portico/shared/provider"
	"portico/shared/saml"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/sso"
)

// Desk lets people in whom a response names.
type Desk struct{ *account.Desk }

// asked is what a trip keeps: the request that awaits its response, or the person whom the response has named.
type asked struct {
	Request string       `json:"request,omitempty"`
	Person  *saml.Person `json:"person,omitempty"`
}

// The codes of what is wrong besides the response itself.
const (
	unasked  = "unasked"  // it answers no attempt that awaits it
	replayed = "replayed" // the assertion was used before
)

// Metadata is what a provider's administrator needs to know of us.
func (d *Desk) Metadata(connection id.SSOConnection) []byte { return d.own(connection).Metadata() }

func (d *Desk) own(connection id.SSOConnection) saml.ServiceProvider {
	return saml.ServiceProvider{EntityID: sso.EntityID(d.Public, connection), ACS: sso.ACS(d.Public, connection)}
}

// both returns who speaks with whom over a connection.
func (d *Desk) both(c sso.Connection) (both saml.Connection, err error) {
	both = saml.Connection{ServiceProvider: d.own(c.ID), IdentityProvider: saml.IdentityProvider{Issuer: c.Issuer, URL: c.SSOURL}}
	for _, text := range c.Certificates {
		read, err := saml.ReadCertificate(text)
		if err != nil {
			return both, err
		}
		both.Certificates = append(both.Certificates, read)
	}
	return both, nil
}

// Begin notes in an attempt that it goes to the provider of a connection, and returns where
// to send the browser.
func (d *Desk) Begin(ctx context.Context, f signin.Flow, c sso.Found) (url string, err error) {
	both, err := d.both(c.Connection)
	if err != nil {
		return "", err
	}
	url, request, err := both.Begin(f.ID(), d.Clock.Now())
	if err != nil {
		return "", err
	}
	_, err = d.keep(ctx, f, account.ConnectionTrip{Connection: c.ID, Version: c.Version, Test: c.Test}, asked{Request: request})
	return url, err
}

// keep notes in an attempt where its trip is.
func (d *Desk) keep(ctx context.Context, f signin.Flow, t account.ConnectionTrip, now asked) (_ signin.Flow, err error) {
	if t.Asked, err = json.Marshal(now); err != nil {
		return f, err
	}
	return d.Attempts.Ask(ctx, f, t.Text())
}

// tripOf returns where the trip of an attempt is; nothing asked: it has none to a SAML
// provider.
func tripOf(f signin.Flow) (t account.ConnectionTrip, now asked) {
	t, err := account.ConnectionTripOf(f)
	if err != nil || json.Unmarshal(t.Asked, &now) != nil {
		return account.ConnectionTrip{}, asked{}
	}
	return t, now
}

// Response is what a browser brings from a provider.
type Response struct {
	Connection id.SSOConnection // at whose address it came
	Form       string           // SAMLResponse
	State      string           // RelayState
	Host       string
}

// Receive keeps what a response says in the attempt that awaits it. It fails with
// account.ErrNotAdmitted, and leaves a trace then, or with sso.ErrNotFound.
func (d *Desk) Receive(ctx context.Context, r Response) error {
	f, err := d.Attempts.Named(ctx, r.State, r.Host)
	if err != nil && !errors.Is(err, signin.ErrOver) {
		return err
	}
	t, awaited := tripOf(f)
	if t.Connection != r.Connection || awaited.Request == "" {
		return d.refuseUnasked(ctx, r.Connection)
	}
	c, err := d.ConnectionOf(ctx, f)
	if err != nil {
		return err
	}
	both, err := d.both(c.Connection)
	if err != nil {
		return err
	}
	person, err := both.Verify(r.Form, awaited.Request, d.Clock.Now())
	var wrong *saml.Error
	switch {
	case errors.As(err, &wrong):
		return d.Refuse(ctx, c, stepOf(wrong), string(wrong.Code), wrong.Text, nil)
	case err != nil:
		return err
	}
	// If the process dies between the two writes, the person begins again.
	err = d.Attempts.Spend(ctx, c.ID.String(), person.Assertion, person.Ends.Add(saml.Skew))
	if err == nil {
		_, err = d.keep(ctx, f, t, asked{Person: &person})
	}
	if errors.Is(err, signin.ErrUsed) || errors.Is(err, signin.ErrStep) || errors.Is(err, signin.ErrOver) {
		return d.Refuse(ctx, c, sso.Verify, replayed, "The assertion was used before. Each response works once.", claims(person))
	}
	return err
}

// refuseUnasked refuses a response that nobody awaits at the address of a connection.
func (d *Desk) refuseUnasked(ctx context.Context, connection id.SSOConnection) error {
	c, err := sso.Find(ctx, d.DB, connection)
	switch {
	case err != nil:
		return err
	case c.Type != sso.SAML:
		return sso.ErrNotFound
	}
	return d.Refuse(ctx, c, sso.Callback, unasked, "The response answers no sign-in by this connection that has begun at our page in the last ten minutes. People begin at our page, not at the provider's.", nil)
}

// stepOf returns the step of a trace.
func stepOf(e *saml.Error) string {
	if step := e.Step(); step == "read" || step == "status" {
		return sso.Callback
	}
	return sso.Verify
}

func claims(p saml.Person) map[string]string {
	return map[string]string{"name_id": p.Subject, "name_id_format": p.Format, "email": p.Email, "name": p.Name}
}

// Arrive lets the person in who waits in the attempt of a browser, once; see
// account.Desk.ByConnection. It returns signin.ErrStep if nobody waits there.
func (d *Desk) Arrive(ctx context.Context, f signin.Flow, previous session.Session, v account.Visitor) (account.Next, error) {
	t, waits := tripOf(f)
	if waits.Person == nil {
		return account.Next{}, signin.ErrStep
	}
	t.Asked = nil
	f, err := d.Attempts.Ask(ctx, f, t.Text())
	if err != nil {
		return account.Next{}, err
	}
	who := *waits.Person
	named := provider.Person{Subject: who.Subject, Email: who.Email, Name: who.Name, Verified: true}
	return d.ByConnection(ctx, f, account.Named{Person: named, Claims: claims(who)}, previous, v)
}
