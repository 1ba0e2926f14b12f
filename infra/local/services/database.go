package services

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Database is the stack's database. Its owner is Master, which like Aurora's
// master is not a superuser but may create roles.
const (
	Database       = "portico"
	Master         = "portico_master"
	MasterPassword = "portico-local" // of a server that listens on this machine only
)

// Other is the name on the server of another database of the stack.
func Other(name string) string { return Database + "_" + name }

// EnsureDatabases creates the master login, the stack's database and its other
// databases, if they are missing.
func (p *Postgres) EnsureDatabases(ctx context.Context, others ...string) error {
	conn, err := pgx.Connect(ctx, p.AdminURL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var role bool
	if err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, Master).Scan(&role); err != nil {
		return err
	}
	verb := "CREATE"
	if role {
		verb = "ALTER"
	}
	if _, err := conn.Exec(ctx, verb+` ROLE `+Master+` LOGIN CREATEROLE PASSWORD '`+MasterPassword+`'`); err != nil {
		return fmt.Errorf("cannot create the login %s: %w", Master, err)
	}
	if err := ensureDatabase(ctx, conn, Database); err != nil {
		return err
	}
	for _, name := range others {
		if err := ensureDatabase(ctx, conn, Other(name)); err != nil {
			return err
		}
	}
	return nil
}

func ensureDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	var there bool
	err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&there)
	if err != nil || there {
		return err
	}
	// To create a database for another owner the login must be a member of that
	// role; a superuser need not.
	if _, err := conn.Exec(ctx, `GRANT `+Master+` TO CURRENT_USER`); err != nil {
		return fmt.Errorf("cannot become %s: %w", Master, err)
	}
	if _, err := conn.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{name}.Sanitize()+` OWNER `+Master); err != nil {
		return fmt.Errorf("cannot create the database %s: %w", name, err)
	}
	return nil
}
