package stack

import (
	"encoding/json"
	"maps"

	"portico/infra/local/services"
	"portico/infra/local/template"
)

// endpoints are what functions reach. They are kept in a file while a stack
// runs, so that a single invocation can join it.
type endpoints struct {
	PID      int
	URL      string
	AWS      string
	Postgres string // of an administrator
	// Databases are the further ones on that server.
	Databases []string
}

func (s *Stack) endpoints() endpoints {
	e := endpoints{URL: s.URL, AWS: s.AWSURL}
	if s.postgres != nil {
		e.Postgres, e.Databases = s.postgres.AdminURL(), s.opts.Databases
	}
	return e
}

// environment is what every function gets beside its own: the SDK's way to
// these endpoints.
func (e endpoints) environment() map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_ENDPOINT_URL": e.AWS}
}

// rolePassword is that of the database's application roles.
const rolePassword = "portico-local"

// localEgress is what a function that may not dial private addresses may dial
// here: receivers on this machine.
const localEgress = "127.0.0.0/8,::1/128"

// localSource is where deliveries come from here.
const localSource = "127.0.0.1"

// localBase is whose subdomains organizations may have here: every resolver
// sends them to this machine.
const localBase = "portico.localhost"

// functionEnvironment is the template's environment with what must differ
// here: the stage, the database and its passwords (deployed functions use IAM),
// the addresses that may be dialled, those that deliveries come from, and the
// base of subdomains. A variable that the template does not give a function is not added.
func (e endpoints) functionEnvironment(f template.Function, overrides map[string]map[string]string) (map[string]string, error) {
	env := maps.Clone(f.Env)
	for name, value := range map[string]string{
		"STAGE": "local", "EGRESS_ALLOW": localEgress, "SOURCE_IPS": localSource, "BASE_DOMAIN": localBase, "AWS_ENDPOINT_URL": e.AWS,
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

// databases names the further databases as the functions read them.
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
