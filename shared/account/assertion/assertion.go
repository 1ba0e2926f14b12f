// Package assertion sends people to the SAML provider of an organization, and takes what
// the provider asserts of them. The response comes from the provider's page, without our
// cookies. So it waits in the attempt to sign in that has begun here, for the browser of
// this attempt.
package assertion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/saml"
	"portico/shared/signin"
	"portico/shared/sso"
)

// Desk knows the connections and the attempts.
type Desk struct {
	DB       *pg.DB
	Attempts *signin.Store
	Clock    *clock.Clock
	Public   string // where the pages are, such as https://portico.example.com
}

// Trip is what an attempt keeps of its way to a provider and back.
type Trip struct {
	Connection id.SSOConnection `json:"connection"`
	// Version is that of the connection when the trip began. After a change of the connection
	// nobody enters by it.
	Version int64  `json:"version"`
	Asked   *asked `json:"asked,omitempty"` // nil: the person was taken
}

// asked is the request that awaits its response, or the person whom the response has named.
type asked struct {
	Request string       `json:"request,omitempty"`
	Person  *saml.Person `json:"person,omitempty"`
}

// Refused says why a response was refused, as its trace does.
type Refused struct {
	Trace  id.SSOTrace
	Code   string
	Detail string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("assertion: %s: %s (%s)", r.Code, r.Detail, r.Trace)
}

// The codes of what is wrong besides the response itself.
const (
	Unasked  = "unasked" // it answers no attempt that awaits it
	Disabled = "disabled_meanwhile"
	Changed  = "changed_meanwhile"
	Replayed = "replayed" // the assertion was used before
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
func (d *Desk) Begin(ctx context.Context, f signin.Flow, c sso.Connection) (url string, err error) {
	both, err := d.both(c)
	if err != nil {
		return "", err
	}
	url, request, err := both.Begin(f.ID(), d.Clock.Now())
	if err != nil {
		return "", err
	}
	_, err = d.keep(ctx, f, Trip{c.ID, c.Version, &asked{Request: request}})
	return url, err
}

func (d *Desk) keep(ctx context.Context, f signin.Flow, t Trip) (signin.Flow, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return f, err
	}
	return d.Attempts.Ask(ctx, f, string(text))
}

func tripOf(f signin.Flow) (t Trip, err error) {
	if f.Asked != "" {
		err = json.Unmarshal([]byte(f.Asked), &t)
	}
	return t, err
}

// Response is what a browser brings from a provider.
type Response struct {
	Connection id.SSOConnection // at whose address it came
	Form       string           // SAMLResponse
	State      string           // RelayState
	Host       string
}

// Receive keeps what a response says in the attempt that awaits it. It fails with *Refused,
// and leaves a trace then, or with sso.ErrNotFound.
func (d *Desk) Receive(ctx context.Context, r Response) error {
	found, err := sso.Find(ctx, d.DB, r.Connection)
	switch {
	case err != nil:
		return err
	case found.Type != sso.SAML:
		return sso.ErrNotFound
	}
	f, trip, err := d.awaited(ctx, r)
	if err != nil {
		return err
	}
	now := d.Clock.Now()
	if code, detail := against(found.Connection, trip); code != "" {
		return d.refuse(ctx, found, sso.Trace{Step: sso.Callback, Code: code, Detail: detail}, now)
	}
	both, err := d.both(found.Connection)
	if err != nil {
		return err
	}
	person, err := both.Verify(r.Form, trip.Asked.Request, now)
	var wrong *saml.Error
	switch {
	case errors.As(err, &wrong):
		return d.refuse(ctx, found, sso.Trace{Step: stepOf(wrong), Code: string(wrong.Code), Detail: wrong.Text}, now)
	case err != nil:
		return err
	}
	trip.Asked = &asked{Person: &person}
	// If the process dies between the two writes, the person begins again.
	err = d.Attempts.Spend(ctx, r.Connection.String(), person.Assertion, person.Ends.Add(saml.Skew))
	if err == nil {
		_, err = d.keep(ctx, f, trip)
	}
	if errors.Is(err, signin.ErrUsed) || errors.Is(err, signin.ErrStep) || errors.Is(err, signin.ErrOver) {
		return d.refuse(ctx, found, sso.Trace{
			Step: sso.Verify, Code: Replayed, Detail: "The assertion was used before. Each response works once.", Claims: Claims(person),
		}, now)
	}
	return err
}

// awaited returns the attempt that a response names, and what it awaits; zero: nothing of
// this connection.
func (d *Desk) awaited(ctx context.Context, r Response) (f signin.Flow, t Trip, err error) {
	f, err = d.Attempts.Named(ctx, r.State, r.Host)
	if errors.Is(err, signin.ErrOver) {
		return f, t, nil
	}
	if err == nil {
		t, err = tripOf(f)
	}
	if t.Connection != r.Connection || t.Asked == nil || t.Asked.Request == "" {
		t = Trip{}
	}
	return f, t, err
}

// against says why a trip ends before its response is read; "": it does not.
func against(c sso.Connection, t Trip) (code, detail string) {
	switch {
	case t.Asked == nil:
		return Unasked, "The response answers no sign-in by this connection that has begun at our page in the last ten minutes. People begin at our page, not at the provider's."
	case c.Status != sso.Active:
		return Disabled, "The connection was disabled while somebody signed in by it."
	case c.Version != t.Version:
		return Changed, "The connection was changed while somebody signed in by it. They can try again."
	}
	return "", ""
}

// stepOf returns the step of a trace.
func stepOf(e *saml.Error) string {
	if step := e.Step(); step == "read" || step == "status" {
		return sso.Callback
	}
	return sso.Verify
}

// Claims is what a response says of a person, for a trace.
func Claims(p saml.Person) map[string]string {
	return map[string]string{"name_id": p.Subject, "name_id_format": p.Format, "email": p.Email, "name": p.Name}
}

// refuse leaves a trace, and returns what it says.
func (d *Desk) refuse(ctx context.Context, found sso.Found, t sso.Trace, now time.Time) error {
	t.ID = id.New[id.SSOTrace](now)
	err := d.DB.InOrg(ctx, found.Org, func(tx pg.Tx) error { return sso.AddTrace(ctx, tx, found.Org, found.ID, t, now) })
	if err != nil {
		return err
	}
	return &Refused{t.ID, t.Code, t.Detail}
}

// Take returns whom a response has named to an attempt, once, and the attempt afterwards. It
// fails with signin.ErrStep if nobody waits there.
func (d *Desk) Take(ctx context.Context, f signin.Flow) (signin.Flow, saml.Person, error) {
	t, err := tripOf(f)
	if err != nil || t.Asked == nil || t.Asked.Person == nil {
		return f, saml.Person{}, errors.Join(err, signin.ErrStep)
	}
	who := *t.Asked.Person
	t.Asked = nil
	f, err = d.keep(ctx, f, t)
	return f, who, err
}
