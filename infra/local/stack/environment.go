package stack

import (
	"encoding/json"
	"maps"
	"strings"

	"portico/infra/local/services"
	"portico/infra/local/template"
)

// endpoints are the addresses that functions use. They are in a file while a
// stack runs, so that a single invocation can use that stack.
type endpoints struct {
	PID      int
	URL      string
	AWS      string
	Google   string // what plays it, and so for GitHub
	GitHub   string
	Names    string // the name server
	Postgres string // of an administrator
	// Databases are the other ones on that server.
	Databases []string
}

func (s *Stack) endpoints() endpoints {
	e := endpoints{URL: s.URL, AWS: s.AWSURL, Google: addressOf(s.listeners.google), GitHub: addressOf(s.listeners.github), Names: s.names.Address()}
	if s.postgres != nil {
		e.Postgres, e.Databases = s.postgres.AdminURL(), s.opts.Databases
	}
	return e
}

// environment has the variables that every function gets in addition to its own:
// with them the SDK finds these endpoints, and DNS has the records that somebody has set.
func (e endpoints) environment() map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_ENDPOINT_URL": e.AWS, "PORTICO_NAME_SERVER": e.Names}
}

// rolePassword is that of the database's application roles.
const rolePassword = "portico-local"

// localEgress lists the private addresses that functions may dial on a laptop:
// receivers on this machine.
const localEgress = "127.0.0.0/8,::1/128"

// localSource is the source address of deliveries on a laptop.
const localSource = "127.0.0.1"

// localBase is the base domain on a laptop, and that of its mail: every resolver
// sends its subdomains to this machine.
const localBase = "portico.localhost"

// localLimits are so high that only an override limits a laptop: `make bench` measures
// functions, not limits.
const localLimits = "requests:1000000,expensive_requests:60000000,work:60000000,organization_requests:60000000,organization_work:60000000," +
	"refused_requests:60000000"

// localPages is where people find pages on a laptop: browsers keep a Secure cookie
// without TLS, and allow passkeys, at the name localhost only.
func localPages(url string) string { return strings.Replace(url, "127.0.0.1", "localhost", 1) }

// functionEnvironment is the template's environment with the values that must
// differ on a laptop: the stage, the database and its passwords (deployed
// functions use IAM), the addresses that may be dialled, the source addresses of
// deliveries, the base domain, the address of pages, the providers with which people sign in, and
// the limits of callers. Mail has no links to unsubscribe here, because
// these must begin with https. A variable that the template does not give a function
// is not added.
func (e endpoints) functionEnvironment(f template.Function, overrides map[string]map[string]string) (map[string]string, error) {
	env := maps.Clone(f.Env)
	for name, value := range map[string]string{
		"STAGE": "local", "EGRESS_ALLOW": localEgress, "SOURCE_IPS": localSource, "BASE_DOMAIN": localBase, "AWS_ENDPOINT_URL": e.AWS,
		"LIMITS": localLimits, "PUBLIC_URL": "", "PAGES_URL": localPages(e.URL),
		"GOOGLE_ISSUER": e.Google, "GOOGLE_CLIENT_ID": localClient, "GITHUB_URL": e.GitHub, "GITHUB_API_URL": e.GitHub, "GITHUB_CLIENT_ID": localClient,
		"STAFF_ISSUER": e.URL + openIDPath, "STAFF_CLIENT_ID": localClient, "PROVIDER_SECRET": providerSecret.ARN,
	} {
		if _, ok := env[name]; ok {
			env[name] = value
		}
	}
	if _, ok := env["DATABASES"]; ok {
		env["DATABASES"] = e.databases()
	}
	if deployed := env["DATABASE_URL"]; deployed != "" && e.Postgres != "" {
		password := rolePassword
		if env["DATABASE_SECRET"] != "" {
			deployed, password = "postgres://"+services.Master+"@/"+services.Database, services.MasterPassword
			env["DATABASE_SECRET"], env["DATABASE_ROLE_PASSWORD"] = "", rolePassword
		}
		var err error
		if env["DATABASE_URL"], err = services.WithServer(deployed, e.Postgres, password); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"*", f.LogicalID, f.Name} {
		maps.Copy(env, overrides[name])
	}
	return env, nil
}

// databases lists the other databases in the form that the functions read.
func (e endpoints) databases() string {
	if len(e.Databases) == 0 {
		return ""
	}
	type database struct {
		URL string `json:"url"`
	}
	all := map[string]database{}
	for _, name := range e.Databases {
		all[name] = database{services.WithoutLogin(e.Postgres, services.Other(name))}
	}
	text, _ := json.Marshal(all) // texts
	return string(text)
}
