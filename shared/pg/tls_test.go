package pg_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"portico/infra/local/services"
	"portico/infra/migrations"
	"portico/shared/pg"
	"portico/shared/testkit"
)

const (
	rds     = ".cluster-abc.eu-test-1.rds.amazonaws.com"
	foreign = "db.cluster-abc.eu-test-2.rds.amazonaws.com" // of a region with another root
)

// secured is a Postgres whose certificate is for names of Amazon RDS.
type secured struct{ server *services.Postgres }

func newSecured(t *testing.T, authority *testkit.Authority, expires time.Time) secured {
	t.Helper()
	certificate, key := authority.Issue(testkit.ECDSA(t), expires, "db"+rds, foreign, "db.eu-test-9.rds.amazonaws.com")
	server, err := services.StartPostgres(t.Context(), services.PostgresOptions{Throwaway: true, Certificate: certificate, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return secured{server}
}

// url returns the server's URL with another host and this sslmode.
func (s secured) url(t *testing.T, host, mode string) string {
	t.Helper()
	u, err := url.Parse(s.server.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.RawQuery = host+":"+u.Port(), "sslmode="+mode
	return u.String()
}

// here connects every host name to this machine.
func here(c *pgx.ConnConfig) {
	c.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
}

// Pools and migrations send nothing to a server unless it has a valid certificate
// for its own name, issued by a root of the region. The pools' URL has no
// password: they use an IAM token.
func TestServersCertificateIsVerified(t *testing.T) {
	ours, theirs := testkit.NewAuthority(t), testkit.NewAuthority(t)
	pg.TrustRoots(t, fstest.MapFS{
		"roots/eu-test-1.pem": {Data: []byte(ours.PEM())}, "roots/eu-test-2.pem": {Data: []byte(theirs.PEM())},
		"roots/eu-test-3.pem": {Data: []byte("no certificate")},
	})
	t.Setenv("AWS_REGION", "eu-test-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	good, expired := newSecured(t, ours, time.Now().AddDate(1, 0, 0)), newSecured(t, ours, time.Now().Add(-time.Minute))
	for what, c := range map[string]struct{ url, because string }{
		"the right one":          {good.url(t, "db"+rds, "verify-full"), ""},
		"of another authority":   {good.url(t, foreign, "verify-full"), "unknown authority"},
		"for another host":       {good.url(t, "other"+rds, "verify-full"), "not other" + rds},
		"expired":                {expired.url(t, "db"+rds, "verify-full"), "expired"},
		"of an unknown region":   {good.url(t, "db.eu-test-9.rds.amazonaws.com", "verify-full"), "no root certificates of Amazon RDS for eu-test-9 are known"},
		"of an empty region":     {good.url(t, "db.eu-test-3.rds.amazonaws.com", "verify-full"), "roots/eu-test-3.pem contains no certificate"},
		"of a server elsewhere":  {good.url(t, "db.example.com", "verify-full"), "x509"},
		"not asked for":          {good.url(t, foreign, "require"), ""},
		"of a region not in use": {good.url(t, "db.rds.cn-test-1.amazonaws.com.cn", "verify-full"), "certificates of Amazon RDS for cn-test-1"},
	} {
		for through, connect := range map[string]func(string) error{"a pool": connectPool, "the migration": migrate} {
			err := connect(c.url)
			if (err == nil) != (c.because == "") || err != nil && !strings.Contains(err.Error(), c.because) {
				t.Errorf("a certificate %s, through %s: %v, want %q", what, through, err, c.because)
			}
		}
	}
}

func connectPool(url string) error {
	config, err := pg.PoolConfig(url, 1)
	if err != nil {
		return err
	}
	here(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return err
	}
	defer pool.Close()
	return pool.QueryRow(context.Background(), `SELECT 1 FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl`).Scan(new(int))
}

func migrate(url string) error {
	config, err := pg.ParseConfig(url)
	if err != nil {
		return err
	}
	here(config)
	return migrations.Apply(context.Background(), config, "a password of the roles")
}

// A database whose certificate cannot be verified is reported when the function
// starts, not at the first request.
func TestUnknownRegionIsToldAtTheStart(t *testing.T) {
	const there = "postgres://portico_app@db.cluster-abc.xx-nowhere-1.rds.amazonaws.com:5432/portico?sslmode=verify-full"
	_, app := pg.Open(context.Background(), there)
	_, worker := pg.OpenWorker(context.Background(), there, 1)
	for who, err := range map[string]error{"app": app, "worker": worker} {
		if err == nil || !strings.Contains(err.Error(), "xx-nowhere-1 are known: docs/operating.md") {
			t.Errorf("%s: %v", who, err)
		}
	}
}

// Every region has three roots of Amazon RDS that name it and are valid for at
// least another year.
func TestEmbeddedRoots(t *testing.T) {
	files, err := fs.Glob(pg.EmbeddedRoots(), "roots/*.pem")
	if err != nil || len(files) < 27 {
		t.Fatalf("%d regions, %v", len(files), err)
	}
	for _, file := range files {
		region := strings.TrimSuffix(path.Base(file), ".pem")
		rest, err := fs.ReadFile(pg.EmbeddedRoots(), file)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if !strings.HasPrefix(c.Subject.CommonName, "Amazon RDS "+region+" Root CA ") || !c.IsCA || c.CheckSignatureFrom(c) != nil ||
				time.Until(c.NotAfter) < 365*24*time.Hour {
				t.Errorf("%s holds %s, good until %s", file, c.Subject, c.NotAfter)
			}
			count++
		}
		if count < 3 {
			t.Errorf("%s holds %d roots", file, count)
		}
		config, err := pg.ParseConfig("postgres://a@db.cluster-abc." + region + ".rds.amazonaws.com/portico?sslmode=verify-full")
		if err != nil || config.TLSConfig.RootCAs == nil || config.TLSConfig.InsecureSkipVerify {
			t.Errorf("%s is not verified: %v", region, err)
		}
	}
}

// sslrootcert in the URL wins; without TLS nothing is read.
func TestRootsOfTheURL(t *testing.T) {
	file := path.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(file, []byte(testkit.NewAuthority(t).PEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	for query, named := range map[string]bool{"sslmode=verify-full&sslrootcert=" + file: true, "sslmode=disable": false} {
		config, err := pg.ParseConfig("postgres://a@db.xx-nowhere-1.rds.amazonaws.com/portico?" + query)
		if err != nil || (config.TLSConfig != nil) != named {
			t.Errorf("%s: %v", query, err)
		}
	}
}
