// Command migrate makes the clock and the application's login.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/jackc/pgx/v5"
)

func main() {
	lambda.Start(cfn.LambdaWrap(func(ctx context.Context, e cfn.Event) (string, map[string]any, error) {
		if why, _ := e.ResourceProperties["Broken"].(string); why != "" {
			return "migration", nil, fmt.Errorf("migration 7: %s", why)
		}
		return "migration", nil, migrate(ctx)
	}))
}

func migrate(ctx context.Context) error {
	if os.Getenv("DATABASE_SECRET") != "" {
		return fmt.Errorf("DATABASE_SECRET is Aurora's")
	}
	conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, fmt.Sprintf(`
		CREATE TABLE IF NOT EXISTS clock (clock_offset interval NOT NULL DEFAULT '0');
		INSERT INTO clock SELECT '0' WHERE NOT EXISTS (SELECT FROM clock);
		DO $$ BEGIN CREATE ROLE portico_app LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		ALTER ROLE portico_app PASSWORD '%s'`, os.Getenv("DATABASE_ROLE_PASSWORD")))
	return err
}
