package pg

import (
	"crypto/tls"
	"crypto/x509"
	"embed"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed roots/*.pem
var embedded embed.FS

// roots are the root certificates of Amazon RDS, which no operating system has:
// a file for each region. Only tests put others here.
var roots fs.FS = embedded

// ofRDS finds the region in the host name of a database at Amazon RDS.
var ofRDS = regexp.MustCompile(`\.([a-z]+(?:-[a-z]+)+-\d+)\.rds\.amazonaws\.com$|\.rds\.(cn-[a-z]+-\d+)\.amazonaws\.com\.cn$`)

// ParseConfig reads a database's URL. With sslmode=verify-full the server must
// have a certificate for the URL's host: at Amazon RDS one of RDS's own, unless
// sslrootcert names others; elsewhere one that the machine trusts.
func ParseConfig(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	return config, trustRDS(&config.Config)
}

func trustRDS(config *pgconn.Config) error {
	err := trustRegion(config.Host, config.TLSConfig)
	for _, other := range config.Fallbacks {
		if err == nil {
			err = trustRegion(other.Host, other.TLSConfig)
		}
	}
	return err
}

// trustRegion reads the roots of the host's region, and no others, because that
// is a part of every cold start.
func trustRegion(host string, config *tls.Config) error {
	found := ofRDS.FindStringSubmatch(host)
	if found == nil || config == nil || config.InsecureSkipVerify || config.RootCAs != nil {
		return nil
	}
	region := found[1] + found[2]
	text, err := fs.ReadFile(roots, "roots/"+region+".pem")
	if err != nil {
		return fmt.Errorf("no root certificates of Amazon RDS are known for %s: docs/operating.md tells how to add a region", region)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("shared/pg/roots/%s.pem holds no certificate", region)
	}
	return nil
}
