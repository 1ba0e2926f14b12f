package api

import (
	"github.com/danielgtaylor/huma/v2"

	"portico/shared/id"
	"portico/shared/org"
)

// byHost returns the organization that a request names by its host name, or
// otherwise the one that it names already; zero: none. The host is the one that
// the gateway answers for, not one that a header claims. Where it belongs to an
// organization, every other looks like one that does not exist.
func (s *Server) byHost(ctx huma.Context, named id.Org) (id.Org, error) {
	owner, err := s.Hosts.Org(ctx.Context(), ctx.Host())
	switch {
	case err != nil || owner.IsZero():
		return named, err
	case !named.IsZero() && named != owner:
		return named, org.ErrNotFound
	}
	return owner, nil
}
