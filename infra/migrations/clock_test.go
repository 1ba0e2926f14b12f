package migrations_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// text is a part of the repository that may contain SQL.
type text struct{ where, sql string }

// allSQL returns the repository's *.sql files without their comments, and the
// string literals of the code that runs in functions.
func allSQL(t *testing.T) (list []text) {
	t.Helper()
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		code := strings.HasPrefix(name, "shared/") || strings.HasPrefix(name, "infra/migrations/")
		switch {
		case strings.HasSuffix(name, ".sql"):
			body, err := fs.ReadFile(root, name)
			list = append(list, text{name, comment.ReplaceAllString(string(body), "")})
			return err
		case code && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			list = append(list, literals(t, root, name)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var comment = regexp.MustCompile(`--[^\n]*`)

func literals(t *testing.T, root fs.FS, name string) (list []text) {
	t.Helper()
	body, err := fs.ReadFile(root, name)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, body, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			s, err := strconv.Unquote(l.Value)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, text{fset.Position(l.Pos()).String(), s})
		}
		return true
	})
	return list
}

// bareClock matches every way to ask Postgres for a time without the offset.
var bareClock = regexp.MustCompile(`(?i)\bnow\s*\(\s*\)|\b(current_timestamp|current_date|current_time|localtime|localtimestamp|` +
	`clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\b|'(now|today|tomorrow|yesterday)'`)

// SQL asks portico_now() for the time, so that tests can move it. Only two places
// ask the database's own clock: the definition of portico_now, and StopClock,
// with which tests replace that definition.
func TestOnlyPorticoNowTellsTheTime(t *testing.T) {
	var found []string
	for _, s := range allSQL(t) {
		for _, m := range bareClock.FindAllString(s.sql, -1) {
			file, _, _ := strings.Cut(s.where, ":")
			found = append(found, file+": "+m)
		}
	}
	if want := []string{"infra/migrations/00001_roles.sql: now()", "shared/testkit/database.go: now()"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want only %q", found, want)
	}
}

// bareClock matches what it should match, and nothing else.
func TestBareClock(t *testing.T) {
	for sql, bare := range map[string]bool{
		"SELECT now()": true, "select NOW ( )": true, "pg_catalog.now()": true, "DEFAULT CURRENT_TIMESTAMP": true,
		"clock_timestamp() - interval '1 day'": true, "'now'::timestamptz": true, "localtimestamp(0)": true,
		"SELECT portico_now()": false, "from now on": false, "know()": false, "current_timestamps": false,
	} {
		if bareClock.MatchString(sql) != bare {
			t.Errorf("%q: found is %v", sql, !bare)
		}
	}
}

// An organization is bound in one place only, for one transaction (00001 reads
// what 00002 binds). A binding for the session would also hold for the next
// request.
func TestOrganizationIsBoundInOnePlace(t *testing.T) {
	var found []string
	for _, s := range allSQL(t) {
		if strings.Contains(s.sql, "app.org_id") {
			file, _, _ := strings.Cut(s.where, ":")
			found = append(found, file)
		}
	}
	slices.Sort(found)
	if want := []string{"infra/migrations/00001_roles.sql", "infra/migrations/00002_organization.sql"}; !slices.Equal(found, want) {
		t.Errorf("app.org_id is in %q, want only %q", found, want)
	}
}
