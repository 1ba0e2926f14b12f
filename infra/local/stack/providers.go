package stack

import (
	"context"
	"net"
	"path/filepath"

	"portico/infra/local/github"
	"portico/infra/local/samlidp"
	"portico/infra/local/services"
	"portico/infra/local/template"
	"portico/shared/account"
	"portico/shared/account/admin"
	"portico/shared/sso"
)

// localClient is what the local providers know us by: id and secret.
const localClient = "local"

// providerSecret has the secrets of the local providers.
var providerSecret = template.Secret{Name: "local-providers", ARN: "local-providers", Value: `{"google":"` + localClient + `","github":"` + localClient + `","` + account.Company + `":"` + localClient + `"}`}

// startProviders serves what plays Google and GitHub, and an organization's own providers, of
// which that of OpenID Connect also is the one of the company whose staff signs in. All ask in a form who somebody is.
func (s *Stack) startProviders(context.Context) error {
	if err := s.startSAML(); err != nil {
		return err
	}
	back := localPages(s.URL) + "/sign-in/"
	s.google = &services.OpenID{Name: "Google", Package: s.opts.NodePackage, Issuer: addressOf(s.listeners.google), Redirects: []string{back + "google/callback"}}
	s.openID = &services.OpenID{Name: "OpenID Connect provider", Package: s.opts.NodePackage, Issuer: s.URL + openIDPath, Redirects: []string{localPages(s.URL) + sso.CallbackPath, localPages(s.URL) + admin.CallbackPath}}
	s.serve(s.listeners.google, fromThisMachine(s.google))
	s.serve(s.listeners.github, fromThisMachine(&github.GitHub{ID: localClient, Secret: localClient, Redirect: back + "github/callback"}))
	return nil
}

// startSAML makes the SAML provider. Like the OpenID Connect provider of an organization, it
// is served with the control pages: so its address stays the same from run to run, and
// connections to it work on. For browsers it is another site than the pages, which are at
// localhost.
func (s *Stack) startSAML() (err error) {
	file := ""
	if !s.opts.Throwaway {
		file = filepath.Join(s.stateDir, "saml.json")
	}
	key, err := samlidp.KeepKey(file)
	if err == nil {
		s.saml, err = samlidp.New(s.URL+samlPath, localPages(s.URL)+sso.SAMLPath, key)
	}
	return err
}

// SAML returns what plays the SAML provider of an organization.
func (s *Stack) SAML() *samlidp.Provider { return s.saml }

// OpenIDIssuer is what plays the OpenID Connect provider of an organization.
func (s *Stack) OpenIDIssuer() string { return s.openID.Issuer }

// addressOf is how browsers, and functions, reach a listener.
func addressOf(l net.Listener) string {
	return localPages("http://" + l.Addr().String())
}
