// Package setup has the page behind a set-up link, on which somebody who is no member sets
// an organization's connection up. shared/account/setup decides.
package setup

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"time"

	"portico/shared/account"
	"portico/shared/account/setup"
	"portico/shared/captcha"
	"portico/shared/pages"
	"portico/shared/signin"
	"portico/shared/sso"
)

//go:embed *.html texts
var files embed.FS

// Files are the templates and texts of the pages.
func Files() fs.FS { return files }

// Site serves the pages.
type Site struct {
	Desk *setup.Desk
}

const (
	function = "sign-in"
	// cookie has what a link was turned into, which the store ends after a day at most.
	cookie    = "portico-setup"
	cookieFor = 24 * time.Hour
)

// Pages lists all pages of the site, for the frame and for the gateway.
func (s *Site) Pages() []pages.Page {
	limit := captcha.Challenge{Name: "sso-setup", After: 20, Window: time.Minute}
	return []pages.Page{
		{ID: "setupConnection", Path: sso.SetupPath, Function: function, Show: s.show, Act: s.act, Limit: limit, Records: "sso_connection.update"},
		{ID: "testConnection", Path: sso.SetupTestPath, Function: function, Act: s.test, Limit: limit, Records: "none: a test lets nobody in, and leaves a trace"},
	}
}

// fact is what to set at the provider.
type fact struct{ Label, Value string }

// shown is what the page shows of a connection.
type shown struct {
	sso.Connection
	Facts    []fact
	Inputs   []pages.Input // of OpenID Connect
	Metadata pages.Input   // of SAML
	Testable bool
	Traces   []sso.Trace
}

// show changes nothing: only the form of a link's page uses the link up, because the
// programs that look into mails follow links.
func (s *Site) show(v *pages.Visit) (pages.Answer, error) {
	if token := v.Query("token"); token != "" {
		c, err := s.Desk.Find(ctxOf(v), token)
		return over(pages.Answer{View: "setup_open", Title: "setup.title", Data: struct{ Name, Token string }{c.Name, token}}, err)
	}
	c, err := s.Desk.Find(ctxOf(v), v.Cookie(cookie))
	if err != nil {
		return over(pages.Answer{}, err)
	}
	traces, err := s.Desk.Traces(ctxOf(v), c)
	if err != nil {
		return pages.Answer{}, err
	}
	data := shown{Connection: c.Connection, Testable: c.Testable(s.Desk.Clock.Now()) == nil, Traces: traces}
	if c.Type == sso.SAML {
		data.Facts = []fact{{"setup.acs", sso.ACS(s.Desk.Public, c.ID)}, {"setup.entity", sso.EntityID(s.Desk.Public, c.ID)}, {"setup.metadata", sso.EntityID(s.Desk.Public, c.ID)}}
		data.Metadata = v.Input("metadata", "text", "off")
	} else {
		data.Facts = []fact{{"setup.redirect", s.Desk.Public + sso.CallbackPath}}
		data.Inputs = []pages.Input{kept(v.Input("issuer", "url", "off"), c.Issuer), kept(v.Input("client_id", "text", "off"), c.ClientID), v.Input("client_secret", "password", "off")}
	}
	return pages.Answer{View: "setup", Title: "setup.title", Data: data}, nil
}

// kept shows what is stored, unless something was sent.
func kept(in pages.Input, stored string) pages.Input {
	if in.Value == "" && in.Fault == "" {
		in.Value = stored
	}
	return in
}

// over says that a link works no more.
func over(a pages.Answer, err error) (pages.Answer, error) {
	if errors.Is(err, sso.ErrSetup) {
		return pages.Answer{Status: 410, View: "setup_over", Title: "setup.over"}, nil
	}
	return a, err
}

// act opens a link, or saves what the form says.
func (s *Site) act(v *pages.Visit) (pages.Answer, error) {
	if token := v.Form("token"); token != "" {
		opened, err := s.Desk.Open(ctxOf(v), token, visitor(v))
		if err == nil {
			v.SetCookie(cookie, opened, cookieFor)
		}
		return over(v.Go(sso.SetupPath), err)
	}
	err := s.Desk.Save(ctxOf(v), v.Cookie(cookie), setup.Settings{
		Metadata: v.Form("metadata"), Issuer: v.Form("issuer"), Client: v.Form("client_id"), Password: v.Form("client_secret"),
	}, visitor(v))
	var wrong setup.Wrong
	if errors.As(err, &wrong) {
		v.Mark(wrong.Field, "setup.wrong_"+wrong.Field)
		return v.Again(), nil
	}
	return over(v.Go(sso.SetupPath), err)
}

// test sends the browser to the provider. It comes back to this page.
func (s *Site) test(v *pages.Visit) (pages.Answer, error) {
	c, err := s.Desk.Find(ctxOf(v), v.Cookie(cookie))
	if err != nil {
		return over(pages.Answer{}, err)
	}
	url, token, err := s.Desk.Test(ctxOf(v), c, visitor(v))
	switch {
	case errors.Is(err, sso.ErrIncomplete), errors.Is(err, account.ErrNotAdmitted): // the page shows the trace
		v.Note(err)
		return v.Go(sso.SetupPath), nil
	case err != nil:
		return pages.Answer{}, err
	}
	v.SetCookie(signin.FlowCookie, token.Text(), signin.FlowFor)
	return v.Leave(url), nil
}

func visitor(v *pages.Visit) account.Visitor {
	return account.Visitor{Host: v.Host(), Locale: v.Lang(), Origin: v.Origin()}
}

func ctxOf(v *pages.Visit) context.Context { return v.Request.Context() }
