package testkit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
)

// Row is a row of a table: the values by column. Other columns have their default.
type Row map[string]any

// Insert adds a row to a table, as a superuser.
func (d *Database) Insert(t testing.TB, table string, row Row) {
	t.Helper()
	columns := slices.Sorted(maps.Keys(row))
	places, values := make([]string, len(columns)), make([]any, len(columns))
	for i, c := range columns {
		places[i], values[i] = fmt.Sprintf("$%d", i+1), row[c]
	}
	d.Exec(t, fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s)`, table, strings.Join(columns, ", "), strings.Join(places, ", ")), values...)
}

// Exec runs a statement as a superuser.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	Exec(t, d.Admin, sql, args...)
}

// AddUser adds a user who is not a member of any organization yet. Use the same id
// in several databases for the same user.
func (d *Database) AddUser(t testing.TB, user id.User, email string) {
	t.Helper()
	d.Insert(t, "user_account", Row{"id": user, "email": email, "name": "", "created_at": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
}

// Place records that an organization goes to another database, has gone there or
// comes from there. The states draining and leaving end after five minutes.
func (d *Database) Place(t testing.TB, org id.Org, state, database string) {
	t.Helper()
	row := Row{"org_id": org, "state": state, "database": database}
	if state == "draining" || state == "leaving" {
		row["until"] = Value[time.Time](t, d, `SELECT portico_now() + interval '5 minutes'`)
	}
	d.Insert(t, "placement", row)
}
