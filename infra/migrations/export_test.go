package migrations

import (
	"context"
	"io/fs"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
)

// ApplyLater applies a migration that a later release brings.
func ApplyLater(ctx context.Context, config *pgx.ConnConfig, sql string) error {
	all := fstest.MapFS{"99999_later.sql": {Data: []byte("-- +goose Up\n" + sql + ";\n")}}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		all[name] = &fstest.MapFile{Data: text}
	}
	return migrate(ctx, config, all)
}
