package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/shared/id"
)

// Owner reads and writes every table as portico_owner, behind the tenant wall of
// one organization at a time, or of the platform. It is used only to move organizations
// and to restore audit logs.
type Owner struct {
	Name   string // of the database
	config *pgx.ConnConfig
}

// NewOwner returns the owner of a database. config has the login of the user that
// migrates the database.
func NewOwner(name string, config *pgx.ConnConfig) *Owner {
	config = config.Copy()
	config.RuntimeParams["role"] = "portico_owner"
	config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	// If the function is killed, the server notices within a minute and releases
	// its locks.
	for setting, value := range map[string]string{"idle": "30", "interval": "10", "count": "3"} {
		config.RuntimeParams["tcp_keepalives_"+setting] = value
	}
	return &Owner{name, config}
}

// Session is a connection of an Owner.
type Session struct {
	*pgx.Conn
	org id.Org
}

// Session connects for work on one organization, which may live in this database
// or not. The zero one is the platform.
func (o *Owner) Session(ctx context.Context, org id.Org) (*Session, error) {
	conn, err := pgx.ConnectConfig(ctx, o.config)
	if err != nil {
		return nil, fmt.Errorf("pg: %w", err)
	}
	return &Session{conn, org}, nil
}

// InOrg runs fn in a transaction bound to the session's organization.
func (s *Session) InOrg(ctx context.Context, level pgx.TxIsoLevel, fn func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, s.Conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT bind_organization($1, true)`, [16]byte(s.org.UUID)); err != nil {
			return err
		}
		return fn(tx)
	})
}
