package migrations

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// roleSettings are the guards of a role's sessions. A frozen function's session
// ends by itself, so that Aurora can pause; no statement and no open
// transaction outlives the request it serves (API Gateway waits 30 s). All
// queries are short, so compiling one costs more than running it. The worker's
// plans must not fall back to scanning a table that has grown: its queries all
// have an index.
var roleSettings = map[string][]string{
	"portico_app": {
		"statement_timeout = '25s'", "idle_in_transaction_session_timeout = '30s'", "idle_session_timeout = '10min'", "jit = off",
	},
	"portico_identity": {
		"statement_timeout = '25s'", "idle_in_transaction_session_timeout = '30s'", "idle_session_timeout = '10min'", "jit = off",
	},
	"portico_worker": {
		"statement_timeout = '60s'", "idle_in_transaction_session_timeout = '30s'", "idle_session_timeout = '10min'", "jit = off",
		"plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off",
	},
}

// shares are the parts, in percent, of the server's connections that a role may
// have, so that a burst of requests leaves dispatchers theirs, and a burst of sign-ins
// requests theirs. What remains is for migrations, moves and people.
var shares = map[string]int{"portico_app": 70, "portico_worker": 20, "portico_identity": 5}

func makeRoles(ctx context.Context, conn *pgx.Conn, password string) error {
	statements := []string{
		createRole("portico_owner", "NOLOGIN"),
		`GRANT portico_owner TO CURRENT_USER`,
		`DO $$ BEGIN
		   EXECUTE format('GRANT CREATE ON DATABASE %I TO portico_owner', current_database());
		 END $$`,
		`GRANT ALL ON SCHEMA public TO portico_owner`,
		// For oldest_transaction. Since Postgres 16 it takes more to give that; without it the function sees its caller's role only.
		`DO $$ BEGIN
		   GRANT pg_read_all_stats TO portico_owner;
		 EXCEPTION WHEN insufficient_privilege THEN
		   NULL;
		 END $$`,
	}
	for _, role := range []string{"portico_app", "portico_worker", "portico_identity"} {
		statements = append(statements, createRole(role, "LOGIN"), fmt.Sprintf(
			`DO $$ BEGIN EXECUTE format('ALTER ROLE %s CONNECTION LIMIT %%s', current_setting('max_connections')::integer * %d / 100); END $$`, role, shares[role]))
		for _, setting := range roleSettings[role] {
			statements = append(statements, `ALTER ROLE `+role+` SET `+setting)
		}
		if password == "" {
			statements = append(statements, `GRANT rds_iam TO `+role)
			continue
		}
		statements = append(statements, fmt.Sprintf(
			`DO $$ BEGIN EXECUTE format('ALTER ROLE %s PASSWORD %%L', current_setting('portico.role_password')); END $$`, role))
	}
	if _, err := conn.Exec(ctx, `SELECT set_config('portico.role_password', $1, false)`, password); err != nil {
		return fmt.Errorf("migrations: roles: %w", err)
	}
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("migrations: roles: %s: %w", sql, err)
		}
	}
	return nil
}

func createRole(name, login string) string {
	return fmt.Sprintf(`DO $$ BEGIN
	  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '%[1]s') THEN CREATE ROLE %[1]s %[2]s; END IF;
	END $$`, name, login)
}
