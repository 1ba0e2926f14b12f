package services

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Database is the stack's database; its owner is Master, which like Aurora's
// is no superuser but may create roles.
const (
	Database       = "portico"
	Master         = "portico_master"
	MasterPassword = "portico-local" // of a server that listens on this machine only
)

// EnsureDatabase creates the master login and the stack's database where they
// are missing.
func (p *Postgres) EnsureDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.AdminURL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var role, database bool
	err = conn.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1), EXISTS (SELECT FROM pg_database WHERE datname = $2)`,
		Master, Database).Scan(&role, &database)
	if err != nil {
		return err
	}
	verb := "CREATE"
	if role {
		verb = "ALTER"
	}
	if _, err := conn.Exec(ctx, verb+` ROLE `+Master+` LOGIN CREATEROLE PASSWORD '`+MasterPassword+`'`); err != nil {
		return fmt.Errorf("cannot create the login %s: %w", Master, err)
	}
	if database {
		return nil
	}
	// To give a database away one must be able to become its owner; a superuser can.
	if _, err := conn.Exec(ctx, `GRANT `+Master+` TO CURRENT_USER`); err != nil {
		return fmt.Errorf("cannot become %s: %w", Master, err)
	}
	if _, err := conn.Exec(ctx, `CREATE DATABASE `+Database+` OWNER `+Master); err != nil {
		return fmt.Errorf("cannot create the database %s: %w", Database, err)
	}
	return nil
}
