package stack

import (
	"context"
	"net"

	"portico/infra/local/github"
	"portico/infra/local/services"
	"portico/infra/local/template"
)

// localClient is what the local Google and the local GitHub know us by: id and secret.
const localClient = "local"

// providerSecret has the secrets of the local providers.
var providerSecret = template.Secret{Name: "local-providers", ARN: "local-providers", Value: `{"google":"` + localClient + `","github":"` + localClient + `"}`}

// startProviders serves what plays Google and GitHub. Both ask in a form who somebody is.
func (s *Stack) startProviders(context.Context) error {
	back := localPages(s.URL) + "/sign-in/"
	s.google = &services.Google{Package: s.opts.NodePackage, Issuer: addressOf(s.listeners.google), Redirect: back + "google/callback"}
	s.serve(s.listeners.google, fromThisMachine(s.google))
	s.serve(s.listeners.github, fromThisMachine(&github.GitHub{ID: localClient, Secret: localClient, Redirect: back + "github/callback"}))
	return nil
}

// addressOf is how browsers, and functions, reach a listener.
func addressOf(l net.Listener) string {
	return localPages("http://" + l.Addr().String())
}
