package services

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresOptions describe the Postgres to start.
type PostgresOptions struct {
	URL       string // of a server to use instead: a login that may create roles and databases
	Dir       string // of the data, kept between runs
	Throwaway bool   // an own folder without durability, removed by Stop; Dir is ignored
	Port      int    // taken if it is free; 0: any
	// Certificate and Key, both PEM, enable TLS for clients that ask for it.
	Certificate, Key string
	Progress         Progress
}

// Postgres is a running server.
type Postgres struct {
	server   *url.URL // of the administrator
	opts     PostgresOptions
	binaries binaries
	dir      string
	user     *syscall.Credential
	port     int
	lock     *os.File
	process  *process // nil for a server that ran already
}

// PreferredPort is where the local stack's Postgres listens when it can.
const PreferredPort = 54329

// StartPostgres starts a server, or connects to the one in opts.URL.
func StartPostgres(ctx context.Context, opts PostgresOptions) (_ *Postgres, err error) {
	if opts.Progress == nil {
		opts.Progress = func(string, ...any) {}
	}
	p := &Postgres{opts: opts, dir: opts.Dir}
	if opts.URL != "" {
		return p, p.useExisting(ctx)
	}
	if p.binaries, err = findPostgres(ctx, opts.Progress); err != nil {
		return nil, err
	}
	if p.user, err = postgresUser(); err != nil {
		return nil, err
	}
	if opts.Throwaway {
		if p.dir, err = throwawayDir(); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			p.Stop()
		}
	}()
	if err := p.prepareData(ctx); err != nil {
		return nil, err
	}
	if err := p.writeCertificate(); err != nil {
		return nil, err
	}
	if p.port, err = freePort(opts.Port); err != nil {
		return nil, err
	}
	p.server = &url.URL{
		Scheme: "postgres", User: url.User("postgres"), Host: fmt.Sprintf("127.0.0.1:%d", p.port),
		Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return p, p.run(ctx)
}

func (p *Postgres) useExisting(ctx context.Context) error {
	var err error
	if p.server, err = url.Parse(p.opts.URL); err != nil {
		return fmt.Errorf("DATABASE_URL is not a URL: %w", err)
	}
	conn, err := pgx.Connect(ctx, p.opts.URL)
	if err != nil {
		return fmt.Errorf("the Postgres in DATABASE_URL cannot be used: %w", err)
	}
	defer conn.Close(ctx)
	var version int
	var mayCreate bool
	err = conn.QueryRow(ctx, `
		SELECT current_setting('server_version_num')::int / 10000, rolsuper OR rolcreaterole AND rolcreatedb
		FROM pg_roles WHERE rolname = current_user`).Scan(&version, &mayCreate)
	switch {
	case err != nil:
		return fmt.Errorf("the Postgres in DATABASE_URL cannot be used: %w", err)
	case version < minPostgres:
		return fmt.Errorf("DATABASE_URL is Postgres %d; %d or later is needed", version, minPostgres)
	case !mayCreate:
		return fmt.Errorf("the login in DATABASE_URL may not create roles and databases: give it CREATEROLE and CREATEDB, or use a superuser")
	}
	return nil
}

func (p *Postgres) run(ctx context.Context) error {
	connections := 300
	if p.opts.Throwaway {
		connections = 1000 // each test uses several roles
	}
	settings := []string{
		"listen_addresses=127.0.0.1", fmt.Sprintf("port=%d", p.port), "unix_socket_directories=",
		fmt.Sprintf("max_connections=%d", connections), "shared_buffers=256MB", "timezone=UTC", "log_timezone=UTC",
	}
	if p.opts.Throwaway {
		// A commit still reaches the operating system, so that killing Postgres loses nothing.
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	if p.opts.Certificate != "" {
		settings = append(settings, "ssl=on")
	}
	args := []string{"-D", p.data()}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	cmd := exec.Command(filepath.Join(p.binaries.dir, "postgres"), args...)
	cmd.Dir, cmd.Env = p.dir, p.environment()
	var err error
	// Orphaned, it shuts down as if asked to.
	if p.process, err = start("Postgres", cmd, p.user, syscall.SIGINT); err != nil {
		return err
	}
	return p.process.ready(ctx, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, p.AdminURL())
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
}

// AdminURL is the administrator's login, to a database that is not the stack's.
func (p *Postgres) AdminURL() string { return p.server.String() }

// URL is a login of that name to a database of the server.
func (p *Postgres) URL(login, password, database string) string {
	return as(*p.server, url.UserPassword(login, password), database)
}

// AdminURLOf is AdminURL to another database.
func (p *Postgres) AdminURLOf(database string) string {
	return as(*p.server, p.server.User, database)
}

func as(u url.URL, login *url.Userinfo, database string) string {
	u.User, u.Path = login, "/"+database
	return u.String()
}

// WithServer returns a deployed function's database URL with the server of
// adminURL and a password: the function's URL on a laptop.
func WithServer(deployed, adminURL, password string) (string, error) {
	there, err := url.Parse(deployed)
	if err != nil || there.User.Username() == "" {
		return "", fmt.Errorf("%q is not postgres://login@host/database", deployed)
	}
	here, err := url.Parse(adminURL)
	if err != nil {
		return "", err
	}
	return as(*here, url.UserPassword(there.User.Username(), password), strings.TrimPrefix(there.Path, "/")), nil
}

// WithoutLogin returns the URL of a database on the server of adminURL.
func WithoutLogin(adminURL, database string) string {
	u, err := url.Parse(adminURL)
	if err != nil {
		return ""
	}
	return as(*u, nil, database)
}

// Restart stops the server as a crash would and starts it on the same port.
func (p *Postgres) Restart(ctx context.Context) error {
	if p.process == nil {
		return fmt.Errorf("the Postgres in DATABASE_URL was not started by this stack, so it cannot be restarted")
	}
	p.process.stop(syscall.SIGQUIT, 10*time.Second)
	return p.run(ctx)
}

// Stop shuts the server down and removes throw-away data.
func (p *Postgres) Stop() {
	if p.process != nil {
		p.process.stop(syscall.SIGINT, 20*time.Second)
	}
	if p.opts.Throwaway && p.dir != "" {
		_ = os.RemoveAll(p.dir) // a later run removes what is left
	}
	if p.lock != nil {
		_ = p.lock.Close()
	}
}
