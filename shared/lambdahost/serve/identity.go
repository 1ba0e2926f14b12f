package serve

import (
	"context"

	"portico/shared/api/edge"
	"portico/shared/lambdahost"
	"portico/shared/pg"
	"portico/shared/session"
)

// IdentityAPI serves the operations of people on their own account.
func IdentityAPI(operations ...edge.Operation) {
	serve(special{also: (*host).people}, operations)
}

// people opens what only these operations use.
func (h *host) people(server *edge.Server) error {
	var (
		database lambdahost.DatabaseEnv
		own      lambdahost.IdentityEnv
	)
	if err := lambdahost.Read(&database, &own); err != nil {
		return err
	}
	home, err := pg.OpenIdentity(context.Background(), database.URL)
	if err != nil {
		return err
	}
	server.People, server.Sessions = home, session.NewStore(h.IdentityTable(own), lambdahost.SessionIdle, h.Clock)
	return nil
}
