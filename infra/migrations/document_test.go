package migrations_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"portico/shared/testkit"
)

const documentFile = "../../docs/schema.md"

var write = flag.Bool("write", false, "write docs/schema.md anew")

const documentHeader = `# Schema

Generated from the comments in [infra/migrations](../infra/migrations). Do not edit: run "make generate".

The tables of Postgres. All times are UTC, with microseconds. Ids are UUIDs; the API shows them with a prefix. A *sealed* value is encrypted, and can be opened only for its organization and row. A table *behind the wall* shows and changes only the rows of the organization that is bound to the transaction ([security.md](security.md)), one *behind the wall between users* only those of the user that is bound to it.

Each line shows a column that refers to a row of another table; its label is the column's name. A dotted line has no foreign key, because the row may stay after the other is deleted, or because the other table is partitioned. Every table with ` + "`org_id`" + ` belongs to an organization; the diagram shows this only for tables without another line.

`

// named lists the columns that name a row without a foreign key, with its table.
var named = map[string]string{
	"org_id": "organization", "event_id": "event", "endpoint_id": "webhook_endpoint", "entry_id": "audit_entry", "replaced_by": "api_key",
}

type documented struct {
	Name, Comment string
	Walled        bool
	UserWalled    bool
	Key           []string
}

type column struct {
	Table, Name, Type, Comment string
	Nullable                   bool
	Target                     string // the table of the foreign key of which it is the last column, or ""
}

// names returns the table whose row the column names, or "".
func (c column) names() string { return cmp.Or(c.Target, named[c.Name]) }

// tablesSQL omits partitions and goose's own table.
const tablesSQL = `
	SELECT c.relname::text AS name, coalesce(obj_description(c.oid, 'pg_class'), '') AS comment,
		EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'wall') AS walled,
		EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'user_wall') AS user_walled,
		ARRAY(SELECT attname::text FROM pg_index JOIN unnest(indkey) WITH ORDINALITY AS k (attnum, place) ON true
			JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE indrelid = c.oid AND indisprimary ORDER BY place) AS key
	FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'goose_db_version'
	ORDER BY c.oid`

const columnsSQL = `
	SELECT c.relname::text AS table, attname::text AS name, replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz') AS type,
		coalesce(col_description(c.oid, attnum), '') AS comment, NOT attnotnull AS nullable,
		coalesce((SELECT confrelid::regclass::text FROM pg_constraint k
			WHERE k.conrelid = c.oid AND contype = 'f' AND attnum = conkey[cardinality(conkey)]), '') AS target
	FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
	WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
	ORDER BY attnum`

// renderDocument returns the text of docs/schema.md.
func renderDocument(tables []documented, columns []column) string {
	var out strings.Builder
	out.WriteString(documentHeader)
	diagram(&out, tables, columns)
	for _, t := range tables {
		fmt.Fprintf(&out, "\n## %s\n\n%s", t.Name, escape(t.Comment))
		if t.Walled {
			out.WriteString(" Behind the wall.")
		}
		if t.UserWalled {
			out.WriteString(" Behind the wall between users.")
		}
		fmt.Fprintf(&out, "\n\n| column | type | null | meaning |\n| --- | --- | --- | --- |\n")
		for _, c := range of(t, columns) {
			null := ""
			if c.Nullable {
				null = "null"
			}
			name := "`" + c.Name + "`"
			if slices.Contains(t.Key, c.Name) {
				name = "**" + name + "**"
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", name, c.Type, null, escape(c.Comment))
		}
		fmt.Fprintf(&out, "\nThe primary key is `%s`.\n", strings.Join(t.Key, "`, `"))
	}
	return out.String()
}

// diagram draws which tables refer to which.
func diagram(out *strings.Builder, tables []documented, columns []column) {
	out.WriteString("```mermaid\nerDiagram\n")
	for _, t := range tables {
		drawn, owner := false, ""
		for _, c := range of(t, columns) {
			switch target := c.names(); {
			case target == "":
			case c.Name == "org_id":
				owner = arrow(t, c)
			default:
				out.WriteString(arrow(t, c))
				drawn = drawn || target != t.Name
			}
		}
		switch {
		case drawn:
		case owner != "":
			out.WriteString(owner)
		default:
			fmt.Fprintf(out, "  %s\n", t.Name)
		}
	}
	out.WriteString("```\n")
}

// arrow draws a column that names a row: the named table is on the left, the
// column's table on the right, each with the number of rows.
func arrow(t documented, c column) string {
	line, one, many := "--", "||", "o{"
	if c.Target == "" {
		line = ".."
	}
	if c.Nullable {
		one = "|o"
	}
	if slices.Equal(t.Key, []string{c.Name}) || slices.Equal(t.Key, []string{"org_id", c.Name}) {
		many = "o|"
	}
	return fmt.Sprintf("  %s %s%s%s %s : %s\n", c.names(), one, line, many, t.Name, c.Name)
}

func of(t documented, columns []column) (list []column) {
	for _, c := range columns {
		if c.Table == t.Name {
			list = append(list, c)
		}
	}
	return list
}

// escape escapes the characters that have a meaning in Markdown.
func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "[", `\[`).Replace(text)
}

// Every table and column has a comment, and docs/schema.md shows it.
func TestSchemaDocument(t *testing.T) {
	d, ctx := testkit.DB(t), context.Background()
	rows, _ := d.Admin.Query(ctx, tablesSQL)
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByName[documented])
	if err != nil {
		t.Fatal(err)
	}
	rows, _ = d.Admin.Query(ctx, columnsSQL)
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByName[column])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if table.Comment == "" {
			t.Errorf("the table %s has no comment: add COMMENT ON TABLE to its migration", table.Name)
		}
		for _, c := range of(table, columns) {
			if c.Comment == "" {
				t.Errorf("the column %s.%s has no comment: add COMMENT ON COLUMN to its migration", table.Name, c.Name)
			}
		}
	}
	document := renderDocument(tables, columns)
	if *write && !t.Failed() {
		if err := os.WriteFile(documentFile, []byte(document), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(got), document); diff != "" {
		t.Errorf("docs/schema.md is not current, run \"make generate\" (-document +database):\n%s", diff)
	}
}
