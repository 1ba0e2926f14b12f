// Package saml has the two addresses that SAML providers of organizations know: what we
// are, and where responses come. shared/account/assertion decides.
package saml

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"portico/shared/account"
	"portico/shared/account/assertion"
	"portico/shared/captcha"
	"portico/shared/id"
	"portico/shared/pages"
	"portico/shared/sso"
)

//go:embed *.html texts
var files embed.FS

// Files are the templates and texts of the pages.
func Files() fs.FS { return files }

// Site serves the pages.
type Site struct {
	Desk *assertion.Desk
}

// The function is that of signing in: both need the same stores, and XML adds 150 kB to it.
const function = "sign-in"

// Pages lists all pages of the site, for the frame and for the gateway.
func (s *Site) Pages() []pages.Page {
	return []pages.Page{
		{ID: "samlMetadata", Path: sso.SAMLPath + "{connection}", Function: function, Show: s.metadata},
		// A company's people come from one address, at the same hour.
		{ID: "samlResponse", Path: sso.SAMLPath + "{connection}/acs", Function: function, FromElsewhere: true, Act: s.receive, Limit: captcha.Challenge{Name: "saml", After: 100, Window: time.Minute}, Records: "none: the browser's next request signs in"},
	}
}

// metadata tells nobody whether there is such a connection, so it needs no store.
func (s *Site) metadata(v *pages.Visit) (pages.Answer, error) {
	connection, err := id.Parse[id.SSOConnection](v.Connection())
	if err != nil {
		return v.Missing(), nil
	}
	return v.Document("application/samlmetadata+xml", s.Desk.Metadata(connection)), nil
}

// receive takes a response. The browser comes from the provider's page, so it brings no
// cookies; it gets none, and goes on to a page of ours, to which it brings them.
func (s *Site) receive(v *pages.Visit) (pages.Answer, error) {
	connection, err := id.Parse[id.SSOConnection](v.Connection())
	if err != nil {
		return v.Missing(), nil
	}
	err = s.Desk.Receive(ctxOf(v), assertion.Response{Connection: connection, Form: v.Form("SAMLResponse"), State: v.Form("RelayState"), Host: v.Host()})
	switch {
	case errors.Is(err, sso.ErrNotFound):
		return v.Missing(), nil
	case errors.Is(err, account.ErrNotAdmitted):
		v.Note(err)
		var refused account.Refused // without a trace if the connection was deleted
		if errors.As(err, &refused); refused.Test {
			return v.Go(sso.SetupPath), nil
		}
		return pages.Answer{Status: http.StatusForbidden, View: "saml_refused", Title: "saml.title", Data: refused.Trace}, nil
	case err != nil:
		return pages.Answer{}, err
	}
	return v.Go(sso.ArrivedPath), nil
}

func ctxOf(v *pages.Visit) context.Context { return v.Request.Context() }
