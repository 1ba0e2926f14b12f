package services

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minPostgres is the major version that the SQL needs.
const minPostgres = 15

// binaries are the programs of one version of Postgres.
type binaries struct {
	dir   string
	major int
}

// findPostgres returns the newest Postgres on the machine. If there is none, it
// installs one, if this program may.
func findPostgres(ctx context.Context, progress Progress) (binaries, error) {
	if found, ok := installedPostgres(ctx); ok {
		return found, nil
	}
	const hint = "Postgres %d or later is needed: install it (on Debian: apt-get install postgresql), or set DATABASE_URL to a server you have"
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return binaries{}, fmt.Errorf(hint, minPostgres)
	}
	if err := installPackage(ctx, progress); err != nil {
		return binaries{}, fmt.Errorf(hint+"; installing it failed: %w", minPostgres, err)
	}
	if found, ok := installedPostgres(ctx); ok {
		return found, nil
	}
	return binaries{}, fmt.Errorf(hint+"; apt-get installs an older version", minPostgres)
}

func installedPostgres(ctx context.Context) (binaries, bool) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // Debian's folder; the pattern is well formed
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	var found []binaries
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
		if major := majorVersion(string(out)); err == nil && major >= minPostgres {
			found = append(found, binaries{dir, major})
		}
	}
	if len(found) == 0 {
		return binaries{}, false
	}
	return slices.MaxFunc(found, func(a, b binaries) int { return cmp.Compare(a.major, b.major) }), true
}

var versionPattern = regexp.MustCompile(`PostgreSQL\) (\d+)`)

func majorVersion(text string) int {
	m := versionPattern.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	major, _ := strconv.Atoi(m[1]) // digits
	return major
}

// noCluster prevents Debian's package from starting a server.
const noCluster = "/etc/postgresql-common/createcluster.d/portico.conf"

func installPackage(ctx context.Context, progress Progress) error {
	progress("installing Postgres: apt-get update and apt-get install postgresql, which takes a minute or two")
	if err := os.MkdirAll(filepath.Dir(noCluster), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(noCluster, []byte("create_main_cluster = false\n"), 0o644); err != nil {
		return err
	}
	begin := time.Now()
	for _, args := range [][]string{
		{"update", "-qq"},
		{"install", "-y", "-qq", "--no-install-recommends", "postgresql"},
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	progress("installed Postgres in %v", time.Since(begin).Round(time.Second))
	return nil
}
