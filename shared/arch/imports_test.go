package arch

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "portico/"

// layers, top first. A unit imports units of lower layers only; where peers is
// set also of its own layer, in which the compiler forbids cycles.
var layers = []struct {
	units string
	peers bool
}{
	{"infra/bench", false},        // runs the local stack
	{"shared/api/apitest", false}, // tests only
	{"functions infra/local infra/apigen", false},
	{"shared/lambdahost shared/testkit", false},
	{"shared/api shared/jobs shared/pages", false},
	{"shared/audit shared/org shared/member shared/role shared/apikey shared/event shared/webhook shared/idempotency shared/hostname shared/placement", true},
	{"shared/cache shared/dynamo shared/pg shared/queue shared/auth shared/fault shared/id shared/secret shared/clock shared/egress " +
		"shared/observe shared/name infra/migrations docs", true},
}

const domain = 5 // the index in layers

// place returns the unit that a package belongs to and its layer, or "", -1.
func place(pkg string) (unit string, layer int) {
	for i, l := range layers {
		for _, u := range strings.Fields(l.units) {
			if within(pkg, u) {
				return u, i
			}
		}
	}
	return "", -1
}

// within reports whether pkg is tree or lies below it.
func within(pkg, tree string) bool { return strings.HasPrefix(pkg+"/", tree+"/") }

// mayImport says whether a package may import another of the module.
func mayImport(from, to string) bool {
	unit, layer := place(from)
	other, below := place(to)
	switch {
	case layer < 0 || below < 0 || other == "functions":
		return false
	case unit == other:
		return true
	}
	return layer < below || layer == below && layers[layer].peers
}

// Imports point down: functions → lambdahost → api, jobs, pages → domain → base.
func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		if _, layer := place(s.dir); layer < 0 {
			t.Errorf("%s: package %s belongs to no layer: add it to layers", s.name, s.dir)
		}
		for _, imported := range s.imports() {
			if to, ours := strings.CutPrefix(imported, module); ours && !mayImport(s.dir, to) {
				t.Errorf("%s imports %s, which is not below it", s.name, to)
			}
		}
	}
}

// The rule itself: what it must allow and refuse.
func TestMayImport(t *testing.T) {
	for _, c := range []struct {
		from, to string
		may      bool
	}{
		{"functions/api/publish", "shared/lambdahost", true},
		{"shared/lambdahost", "shared/api/edge", true},
		{"shared/api/apitest", "shared/testkit", true},
		{"shared/api", "shared/api/apitest", false},
		{"shared/jobs", "infra/migrations", true},
		{"shared/event", "shared/webhook", true},
		{"shared/secret", "shared/id", true},
		{"infra/local/gateway", "infra/local/template", true},
		{"infra/apigen", "shared/api", true},
		{"shared/api", "shared/jobs", false},
		{"shared/pages", "shared/api", false},
		{"shared/api", "shared/lambdahost", false},
		{"shared/pg", "shared/org", false},
		{"shared/webhook", "shared/api", false},
		{"shared/lambdahost", "shared/testkit", false},
		{"shared/testkit", "shared/lambdahost", false},
		{"infra/local", "functions/api/publish", false},
		{"infra/local", "infra/apigen", false},
		{"functions/api/publish", "functions/api/events", false},
		{"shared/new", "shared/id", false},
	} {
		if got := mayImport(c.from, c.to); got != c.may {
			t.Errorf("mayImport(%s, %s) = %v", c.from, c.to, got)
		}
	}
}

// only says which packages alone may import another, outside tests.
var only = map[string][]string{
	"github.com/aws/aws-lambda-go":     {"shared/lambdahost"},
	"github.com/awslabs":               {"shared/lambdahost"},
	"github.com/jackc/pgx/v5/pgxpool":  {"shared/pg", "infra/bench"},
	"github.com/danielgtaylor/huma":    {"shared/api", "shared/api/edge"},
	"portico/infra/local/stacktest":    {},
	"portico/infra/local/aws/awstest":  {"shared/api/apitest"},
	"portico/shared/testkit":           {"shared/api/apitest", "infra/local/stacktest", "infra/local/aws/awstest"},
	"portico/shared/api/apitest":       {},
	"testing":                          {"shared/testkit", "shared/api/apitest", "infra/local/stacktest", "infra/local/aws/awstest"},
	"github.com/pressly/goose":         {"infra/migrations"},
	"github.com/cedar-policy/cedar-go": {"shared/role"},
	"golang.org/x/net":                 {"shared/hostname", "shared/testkit"},
	"github.com/yuin/goldmark":         {"shared/api/reference"},
}

// Each library has the one place that hides it: a change of library changes
// one package.
func TestLibrariesHaveOneHome(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, imported := range s.imports() {
			for library, homes := range only {
				if within(imported, library) && !slices.Contains(homes, s.dir) {
					t.Errorf("%s imports %s, which only %v may", s.name, imported, homes)
				}
			}
		}
	}
}

// The domain knows no HTTP: only the webhook sender speaks it.
func TestDomainKnowsNoHTTP(t *testing.T) {
	for _, s := range sources(t) {
		unit, layer := place(s.dir)
		if layer != domain || unit == "shared/webhook" || s.isTest() {
			continue
		}
		if slices.ContainsFunc(s.imports(), func(i string) bool { return within(i, "net/http") }) {
			t.Errorf("%s imports net/http: answer with a fault and let the edge speak HTTP", s.name)
		}
	}
}

// Only shared/pg reads a database's URL, so every connection of a function
// verifies the server as the URL asks. The local stack has no TLS.
func TestDatabaseURLsAreReadInOnePlace(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || s.dir == "shared/pg" || s.dir == "shared/testkit" || within(s.dir, "infra/local") || within(s.dir, "infra/bench") {
			continue
		}
		for _, call := range []string{"pgx.ParseConfig(", "pgx.Connect(", "pgconn.ParseConfig(", "pgconn.Connect(", `sql.Open("pgx"`} {
			if strings.Contains(s.text, call) {
				t.Errorf("%s calls %s…): use pg.ParseConfig", s.name, call)
			}
		}
	}
}

// The domain knows no transport: it names the field that is wrong, and the edge
// says where in a request that is and how to go on.
func TestDomainKnowsNoRequests(t *testing.T) {
	for _, s := range sources(t) {
		if !within(s.dir, "shared") || within(s.dir, "shared/api") || s.dir == "shared/lambdahost" || s.dir == "shared/testkit" || s.isTest() {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			if part := ofRequest.FindString(literal.Value); part != "" {
				t.Errorf("%s: %s speaks of %q: name the field alone, or give the hint in shared/api/edge", s.name, literal.Value, part)
			}
			return true
		})
	}
}

// ofRequest finds a location in a request, a route, or a tag of the API's description
// in a Go literal.
var ofRequest = regexp.MustCompile("^[`\"](body|query|path|header)\\.|\\b(GET|POST|PUT|PATCH|DELETE) /|^[`\"]/v1/|\\b(doc|example|enum|format|maxLength):\"")
