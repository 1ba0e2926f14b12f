package migrations

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// ApplyTo applies as Apply does, but nothing newer than a version.
func ApplyTo(ctx context.Context, config *pgx.ConnConfig, rolePassword string, version int64) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if err := makeRoles(ctx, conn, rolePassword); err != nil {
		return err
	}
	return migrate(ctx, config, version)
}
