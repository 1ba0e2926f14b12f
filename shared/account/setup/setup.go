// Package setup lets somebody with a set-up link, who is no member, say how a connection
// reaches its identity provider, and test it. They see and change nothing else.
package setup

import (
	"context"
	"errors"
	"strings"

	"portico/shared/account"
	"portico/shared/account/assertion"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/saml"
	"portico/shared/secret"
	"portico/shared/signin"
	"portico/shared/sso"
)

// Desk decides what the page behind a set-up link does.
type Desk struct {
	*account.Desk
	SAML *assertion.Desk
	Base string // the domain whose subdomains we give away
}

// Wrong is a field that cannot be so.
type Wrong struct{ Field string }

func (w Wrong) Error() string { return "setup: wrong " + w.Field }

// Find returns the connection that a link or cookie sets up, or sso.ErrSetup.
func (d *Desk) Find(ctx context.Context, text string) (sso.Found, error) {
	return sso.FindSetup(ctx, d.DB, text, d.Clock.Now())
}

// Traces returns the newest traces of a connection.
func (d *Desk) Traces(ctx context.Context, c sso.Found) (list []sso.Trace, err error) {
	err = d.DB.InOrg(ctx, c.Org, func(tx pg.Tx) error {
		list, err = sso.ListTraces(ctx, tx, c.Org, c.ID, id.SSOTrace{}, shownTraces)
		return err
	})
	return list, err
}

// shownTraces is how many traces the page shows.
const shownTraces = 10

// Open uses a link up, and returns the text of the cookie that works instead of it.
func (d *Desk) Open(ctx context.Context, text string, v account.Visitor) (cookie string, err error) {
	err = d.change(ctx, text, func(tx pg.Tx, of id.Org, c sso.Connection) (audit.Entry, error) {
		cookie, err = sso.OpenSetup(ctx, tx, of, c.ID)
		return audit.Entry{Action: "sso_connection.open_setup_link"}, err
	}, v)
	return cookie, err
}

// Settings are what a form says.
type Settings struct {
	Metadata                 string // of a SAML provider
	Issuer, Client, Password string // of an OpenID Connect provider: the client's id and secret
}

// Save changes how the connection reaches its provider. It returns Wrong for what cannot be so.
func (d *Desk) Save(ctx context.Context, text string, s Settings, v account.Visitor) error {
	return d.change(ctx, text, func(tx pg.Tx, of id.Org, before sso.Connection) (audit.Entry, error) {
		after := before
		apply := s.applyOpenID
		if before.Type == sso.SAML {
			apply = s.applySAML
		}
		if err := apply(&after); err != nil {
			return audit.Entry{}, err
		}
		if after.Type == sso.OIDC {
			after.SetSecret(d.Box, of, s.Password)
		}
		if after.Complete(d.Base) != nil { // domains and all else are as they were
			return audit.Entry{}, Wrong{map[string]string{sso.SAML: "metadata", sso.OIDC: "issuer"}[after.Type]}
		}
		e := audit.Entry{Action: "sso_connection.update", Before: before.Fields(false), After: after.Fields(after.Type == sso.OIDC)}
		return e, sso.Save(ctx, tx, of, &after, d.Clock.Now())
	}, v)
}

func (s Settings) applySAML(c *sso.Connection) error {
	if s.Metadata == "" {
		return Wrong{"metadata"}
	}
	read, err := saml.ReadMetadata([]byte(s.Metadata))
	if err != nil || !c.Take(read) {
		return Wrong{"metadata"}
	}
	c.MetadataURL, c.MetadataReadAt, c.MetadataError = "", nil, "" // it may be another provider's
	return nil
}

func (s Settings) applyOpenID(c *sso.Connection) error {
	for field, text := range map[string]string{"issuer": s.Issuer, "client_id": s.Client, "client_secret": s.Password} {
		most := map[string]int{"issuer": 255, "client_id": 255, "client_secret": 1000}[field]
		if text == "" || len(text) > most || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return Wrong{field}
		}
	}
	c.Issuer, c.ClientID = s.Issuer, s.Client
	return nil
}

// change does something with the connection of a link or cookie, and notes it in the
// organization's log.
func (d *Desk) change(ctx context.Context, text string, do func(pg.Tx, id.Org, sso.Connection) (audit.Entry, error), v account.Visitor) error {
	found, err := d.Find(ctx, text)
	if err != nil {
		return err
	}
	return d.DB.InOrg(ctx, found.Org, func(tx pg.Tx) error {
		c, err := sso.LockSetup(ctx, tx, found.Org, text, d.Clock.Now())
		if errors.Is(err, sso.ErrNotFound) { // in this moment
			return sso.ErrSetup
		}
		if err != nil {
			return err
		}
		e, err := do(tx, found.Org, c)
		if err != nil {
			return err
		}
		e.Actor = audit.Actor{Type: auth.System, ID: "setup_link", Name: c.Name}
		e.Targets, e.Origin, e.CreatedAt = []audit.Target{audit.Of("sso_connection", c.ID)}, v.Origin, d.Clock.Now()
		return audit.Insert(ctx, tx, found.Org, e)
	})
}

// Test begins a login that lets nobody in and leaves a trace. It returns where to send the
// browser, and the secret of its attempt.
func (d *Desk) Test(ctx context.Context, c sso.Found, v account.Visitor) (url string, token secret.Token, err error) {
	c.Test = true
	if err := c.Testable(d.Clock.Now()); err != nil {
		return "", token, err
	}
	f, token, err := d.Attempts.Begin(ctx, signin.Flow{Host: v.Host})
	if err != nil {
		return "", token, err
	}
	if c.Type == sso.SAML {
		url, err = d.SAML.Begin(ctx, f, c)
	} else {
		url, err = d.BeginOpenID(ctx, f, c)
	}
	return url, token, err
}
