package jobs

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/infra/migrations"
	"portico/shared/pg"
)

// Login is how a database is reached as its owner's login.
type Login struct {
	URL string
	// Credentials returns {"username","password"} for a URL without them, as
	// Secrets Manager keeps them for Aurora; nil: the URL has them.
	Credentials func(context.Context) (string, error)
	// RolePassword is given to the application's roles; "": they use IAM.
	RolePassword string
}

// Migrate brings every database up to date and returns the version reached. It
// stops at the first that fails: a locked table takes minutes to fail, and the
// deployment must hear of it before the function's time ends.
func Migrate(ctx context.Context, databases pg.Databases[Login]) (string, error) {
	for _, name := range databases.Names() {
		if err := migrate(ctx, databases, name); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	return migrations.Version(), nil
}

func migrate(ctx context.Context, databases pg.Databases[Login], name string) error {
	l, err := databases.At(name)
	if err != nil {
		return err
	}
	config, err := l.config(ctx)
	if err != nil {
		return err
	}
	return migrations.Apply(ctx, config, l.RolePassword)
}

func (l Login) config(ctx context.Context) (*pgx.ConnConfig, error) {
	config, err := pg.ParseConfig(l.URL)
	if err != nil {
		return nil, fmt.Errorf("its URL cannot be used: %w", err)
	}
	if l.Credentials != nil {
		text, err := l.Credentials(ctx)
		if err != nil {
			return nil, fmt.Errorf("DATABASE_SECRET: %w", err)
		}
		var login struct{ Username, Password string }
		if err := json.Unmarshal([]byte(text), &login); err != nil {
			return nil, fmt.Errorf("DATABASE_SECRET is not {\"username\",\"password\"}: %w", err)
		}
		config.User, config.Password = login.Username, login.Password
	}
	return config, nil
}
