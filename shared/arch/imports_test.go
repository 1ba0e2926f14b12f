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

// layers lists the layers, from the top. A unit may import units of lower layers.
// If peers is true, it may also import units of its own layer; the compiler
// forbids cycles there.
var layers = []struct {
	units string
	peers bool
}{
	{"infra/bench", false},                           // runs the local stack
	{"shared/api/apitest shared/job/jobtest", false}, // tests only
	{"functions infra/local infra/apigen infra/mailgen", false},
	{"infra/inline infra/fuzz", false}, // the developer's machine only
	{"shared/lambdahost shared/testkit", false},
	{"shared/api shared/jobs shared/pages", false},
	{"shared/audit/scheduled shared/account", false},
	{"shared/webhook/dispatching shared/captcha shared/provider shared/passkey shared/audit/streaming", false},
	{"shared/audit shared/job shared/mail shared/org shared/member shared/identity shared/role shared/apikey shared/event shared/eventtype shared/consumer shared/webhook shared/idempotency shared/hostname shared/limit shared/placement shared/erasure shared/session shared/signin shared/oauth shared/signingkey shared/sso shared/invitation shared/directory shared/staff", true},
	{"shared/webhook/sending infra/portico", false}, // the command knows the API only over HTTP
	{"shared/webhook/filter shared/webhook/signing shared/webhook/statistics shared/audit/record", false},
	{"shared/mail/template shared/mail/transport shared/mail/unsubscribe shared/mail/inspect", false},
	{"shared/botscore shared/claim shared/bucket shared/cache shared/dynamo shared/pg shared/queue shared/auth shared/fault shared/id shared/secret shared/password shared/totp shared/saml shared/clock shared/egress " +
		"shared/observe shared/name shared/jsontext shared/pattern infra/migrations infra/local/nameserver docs", true},
}

const domain = 8 // the index in layers

// place returns the unit that a package belongs to and its layer, or "", -1. A
// package below two units belongs to the inner one.
func place(pkg string) (unit string, layer int) {
	layer = -1
	for i, l := range layers {
		for _, u := range strings.Fields(l.units) {
			if within(pkg, u) && len(u) > len(unit) {
				unit, layer = u, i
			}
		}
	}
	return unit, layer
}

// within reports whether pkg is tree or is below it.
func within(pkg, tree string) bool { return strings.HasPrefix(pkg+"/", tree+"/") }

// mayImport reports whether a package may import another one of the module.
func mayImport(from, to string) bool {
	unit, layer := place(from)
	other, below := place(to)
	switch {
	case layer < 0 || below < 0 || other == "functions":
		return false
	case unit == other:
		return true
	case other == "infra/portico":
		return false
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

// mayImport allows and refuses the right imports.
func TestMayImport(t *testing.T) {
	for _, c := range []struct {
		from, to string
		may      bool
	}{
		{"functions/api/publish", "shared/lambdahost/serve", true},
		{"shared/lambdahost/serve", "shared/lambdahost/web", true},
		{"shared/lambdahost", "shared/api/edge", true},
		{"shared/api/apitest", "shared/testkit", true},
		{"shared/api", "shared/api/apitest", false},
		{"shared/jobs", "infra/migrations", true},
		{"shared/event", "shared/webhook", true},
		{"shared/event", "shared/webhook/filter", true},
		{"shared/webhook", "shared/webhook/filter", true},
		{"shared/webhook/filter", "shared/webhook", false},
		{"shared/webhook/sending", "shared/webhook/signing", true},
		{"shared/webhook/signing", "shared/webhook/sending", false},
		{"shared/webhook/sending", "shared/pg", true},
		{"shared/webhook", "shared/claim", true},
		{"shared/webhook/dispatching", "shared/webhook", true},
		{"shared/webhook", "shared/webhook/dispatching", false},
		{"shared/event", "shared/webhook/dispatching", false},
		{"shared/audit/streaming", "shared/audit/stream", true},
		{"shared/audit/stream", "shared/audit/streaming", false},
		{"shared/lambdahost", "shared/webhook/dispatching", true},
		{"shared/claim", "shared/webhook", false},
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
		{"infra/mailgen", "infra/inline", true},
		{"infra/portico/listen", "infra/portico/client", true},
		{"infra/portico/listen", "shared/webhook/signing", true},
		{"infra/portico/command", "shared/webhook", false},
		{"infra/portico/command", "shared/webhook/sending", false},
		{"infra/local", "infra/portico/client", false},
		{"shared/mail/template", "infra/inline", false},
		{"shared/new", "shared/id", false},
	} {
		if got := mayImport(c.from, c.to); got != c.may {
			t.Errorf("mayImport(%s, %s) = %v", c.from, c.to, got)
		}
	}
}

// only lists packages by import path. Outside tests, no other package may import
// that path.
var only = map[string][]string{
	"github.com/aws/aws-lambda-go":     {"shared/lambdahost", "shared/lambdahost/web", "shared/lambdahost/work"},
	"github.com/awslabs":               {"shared/lambdahost/web"},
	"github.com/jackc/pgx/v5/pgxpool":  {"shared/pg", "infra/bench"},
	"github.com/danielgtaylor/huma":    {"shared/api", "shared/api/edge"},
	"portico/infra/local/stacktest":    {},
	"portico/infra/local/aws/awstest":  {"shared/api/apitest"},
	"portico/shared/testkit":           {"shared/api/apitest", "shared/job/jobtest", "infra/local/stacktest", "infra/local/aws/awstest"},
	"portico/shared/api/apitest":       {},
	"testing":                          {"shared/testkit", "shared/api/apitest", "shared/job/jobtest", "infra/local/stacktest", "infra/local/aws/awstest"},
	"github.com/pressly/goose":         {"infra/migrations"},
	"github.com/cedar-policy/cedar-go": {"shared/role"},
	"github.com/expr-lang/expr":        {"shared/webhook/filter"},
	"github.com/robfig/cron":           {"shared/job/schedule"},
	"github.com/pquerna/otp":           {"shared/totp"},
	"github.com/boombuler/barcode":     {"shared/totp"},
	"github.com/crewjam/saml":          {"shared/saml", "infra/local/samlidp"},
	"github.com/russellhaering":        {"shared/saml"},
	"github.com/beevik/etree":          {"shared/saml"},
	"github.com/mattermost":            {"shared/saml"},
	"golang.org/x/crypto":              {"shared/password"},
	"golang.org/x/text/unicode":        {"shared/password"},
	"golang.org/x/net":                 {"shared/hostname", "shared/mail/transport", "shared/mail/inspect", "shared/mail/template", "shared/webhook/sending", "infra/local/nameserver"},
	"github.com/santhosh-tekuri":       {"infra/fuzz/generate", "shared/eventtype/schema"},
	"github.com/yuin/goldmark":         {"shared/api/reference"},
	"github.com/nicksnyder/go-i18n":    {"shared/mail/template"},
	"github.com/wneessen/go-mail":      {"shared/mail/transport"},
	"github.com/emersion/go-msgauth":   {"shared/mail/transport", "shared/mail/inspect"},
	"github.com/resend/resend-go":      {"shared/mail/transport"},
	"github.com/vanng822/go-premailer": {"infra/inline"},
	"github.com/spf13/cobra":           {"infra/portico/command"},

	"github.com/aws/aws-sdk-go-v2/service/s3":  {"shared/bucket", "shared/testkit"},
	"github.com/aws/aws-sdk-go-v2/service/sts": {"shared/bucket"},
	"github.com/johannesboyne/gofakes3":        {"infra/local/aws"},
}

// Only certain packages import a library, so replacing the library changes only
// them.
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

// The domain does not use HTTP. Only what sends webhooks does, above and below it.
func TestDomainKnowsNoHTTP(t *testing.T) {
	for _, s := range sources(t) {
		if _, layer := place(s.dir); layer != domain || s.isTest() {
			continue
		}
		if slices.ContainsFunc(s.imports(), func(i string) bool { return within(i, "net/http") }) {
			t.Errorf("%s imports net/http: return a fault, and let the edge write the HTTP response", s.name)
		}
	}
}

// Only tests make a sender whose transport may dial other addresses than the
// policy allows.
func TestSendersCheckAddresses(t *testing.T) {
	for _, s := range sources(t) {
		if !s.isTest() && s.dir != "shared/webhook/sending" && strings.Contains(s.text, "sending.Over(") {
			t.Errorf("%s calls sending.Over: use sending.New", s.name)
		}
	}
}

// Only shared/pg parses a database's URL, so every connection of a function checks
// the server's certificate as the URL requires. The local stack has no TLS.
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

// The domain does not depend on a protocol. It names the field that is wrong; the
// edge says where that is in a request and what to do.
func TestDomainKnowsNoRequests(t *testing.T) {
	for _, s := range sources(t) {
		if !within(s.dir, "shared") || within(s.dir, "shared/api") || within(s.dir, "shared/lambdahost") || s.dir == "shared/testkit" || s.isTest() {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			if part := ofRequest.FindString(literal.Value); part != "" {
				t.Errorf("%s: %s contains %q: name only the field, or put the hint into shared/api/edge", s.name, literal.Value, part)
			}
			return true
		})
	}
}

// ofRequest matches a Go literal that names a route, a place in a request, or a
// tag of the API's description.
var ofRequest = regexp.MustCompile("^[`\"](body|query|path|header)\\.|\\b(GET|POST|PUT|PATCH|DELETE) /|^[`\"]/v1/|\\b(doc|example|enum|format|maxLength):\"")
