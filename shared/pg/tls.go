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

// roots are the root certificates of Amazon RDS, one file for each region.
// Operating systems do not include them. Only tests replace them.
var roots fs.FS = embedded

// ofRDS matches the host name of a database in Amazon RDS and finds its region.
var ofRDS = regexp.MustCompile(`\.([a-z]+(?:-[a-z]+)+-\d+)\.rds\.amazonaws\.com$|\.rds\.(cn-[a-z]+-\d+)\.amazonaws\.com\.cn$`)

// ParseConfig reads a database's URL. With sslmode=verify-full the server must
// have a certificate for the URL's host. In Amazon RDS the certificate must be
// issued by RDS, unless sslrootcert names other roots; elsewhere by an authority
// that the machine trusts.
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

// trustRegion reads only the roots of the host's region, because reading more
// would slow down every cold start.
func trustRegion(host string, config *tls.Config) error {
	found := ofRDS.FindStringSubmatch(host)
	if found == nil || config == nil || config.InsecureSkipVerify || config.RootCAs != nil {
		return nil
	}
	region := found[1] + found[2]
	text, err := fs.ReadFile(roots, "roots/"+region+".pem")
	if err != nil {
		return fmt.Errorf("no root certificates of Amazon RDS for %s are known: docs/operating.md says how to add a region", region)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("shared/pg/roots/%s.pem contains no certificate", region)
	}
	return nil
}
