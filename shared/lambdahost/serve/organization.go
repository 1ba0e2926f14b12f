package serve

import (
	"net/http"
	"strings"

	"portico/shared/api/edge"
	"portico/shared/directory"
	"portico/shared/pages/scim"
)

// Organization serves operations, and directories to identity providers.
func Organization(operations ...edge.Operation) { serve(special{beside: directories}, operations) }

// directories serves directories, and by next everything else.
func directories(s *edge.Server, next http.Handler) http.Handler {
	served := &scim.Handler{
		Desk: &directory.Desk{DB: s.DB, Clock: s.Clock}, Public: s.Apps.Resource, Addresses: s.Counters.Addresses, Directories: s.Counters.Actors, Log: s.Log,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, directory.Path) {
			served.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
