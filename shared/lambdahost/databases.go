package lambdahost

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"

	"portico/shared/pg"
)

// DatabaseEnv says where organizations live: at home, and in whatever other
// databases there are.
type DatabaseEnv struct {
	URL string `env:"DATABASE_URL,required,notEmpty"`
	// Others are the other databases, in JSON: {"acme":{"url":"postgres://host:5432/portico?sslmode=verify-full"}}.
	// Their login is the one of DATABASE_URL.
	Others databases `env:"DATABASES"`
}

// databases are by name.
type databases map[string]struct {
	URL string `json:"url"`
	// Secret is the master login's; empty: home's is good there, too.
	Secret string `json:"secret"`
}

var databaseName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// CheckDatabaseName returns an error unless another database can have the name.
func CheckDatabaseName(name string) error {
	if !databaseName.MatchString(name) || name == pg.Home {
		return fmt.Errorf("%q cannot be the name of a database: use at most 31 lower-case letters, digits and hyphens, begin with a letter, and do not use %q", name, pg.Home)
	}
	return nil
}

// UnmarshalText reads and checks the JSON.
func (d *databases) UnmarshalText(text []byte) error {
	type plain databases // without this method
	var all plain
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf(`it must be JSON such as {"acme":{"url":"postgres://host:5432/portico"}}: %w`, err)
	}
	for name, one := range all {
		if err := CheckDatabaseName(name); err != nil {
			return err
		}
		if u, err := url.Parse(one.URL); err != nil || u.Scheme != "postgres" || u.User != nil {
			return fmt.Errorf("the url of %s must be like postgres://host:5432/portico, without user name and password", name)
		}
	}
	*d = databases(all)
	return nil
}

// URLs returns every database's URL with the login of DATABASE_URL, by name.
func (e DatabaseEnv) URLs() (pg.Databases[string], error) {
	home, err := url.Parse(e.URL)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL cannot be read: %w", err)
	}
	all := pg.Databases[string]{pg.Home: e.URL}
	for name, other := range e.Others {
		u, err := url.Parse(other.URL)
		if err != nil {
			return nil, fmt.Errorf("DATABASES: %s: %w", name, err)
		}
		u.User = home.User
		all[name] = u.String()
	}
	return all, nil
}

// asWorker returns the same URLs with the login of portico_worker. Where the
// roles have a password it is the same for all; elsewhere they use IAM.
func (e DatabaseEnv) asWorker() (pg.Databases[string], error) {
	home, err := url.Parse(e.URL)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL cannot be read: %w", err)
	}
	worker := url.User("portico_worker")
	if password, ok := home.User.Password(); ok {
		worker = url.UserPassword("portico_worker", password)
	}
	home.User = worker
	e.URL = home.String()
	return e.URLs()
}

func (e DatabaseEnv) Open(ctx context.Context) (*pg.DB, error) { return e.OpenWith(ctx, pg.Open) }

func (e DatabaseEnv) OpenWith(ctx context.Context, open func(ctx context.Context, url string) (*pg.DB, error)) (*pg.DB, error) {
	urls, err := e.URLs()
	if err != nil {
		return nil, err
	}
	db, err := open(ctx, e.URL)
	if err != nil {
		return nil, err
	}
	delete(urls, pg.Home)
	return db, urls.Each(func(name, url string) error { return db.Add(ctx, name, url) })
}

// Workers opens a Worker of at most that many sessions for each database.
func (e DatabaseEnv) Workers(ctx context.Context, sessions int32) pg.Databases[*pg.Worker] {
	urls, err := e.asWorker()
	ExitOn(err)
	workers, err := pg.Make(urls, func(_, url string) (*pg.Worker, error) { return pg.OpenWorker(ctx, url, sessions) })
	ExitOn(err)
	return workers
}
