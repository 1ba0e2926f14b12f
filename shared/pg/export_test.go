package pg

import (
	"io/fs"
	"testing"
)

// PoolConfig makes the configuration with which a DB and a Worker connect.
var PoolConfig = poolConfig

// EmbeddedRoots are the files of root certificates.
func EmbeddedRoots() fs.FS { return embedded }

// TrustRoots replaces the root certificates until the test ends.
func TrustRoots(t *testing.T, files fs.FS) {
	before := roots
	t.Cleanup(func() { roots = before })
	roots = files
}
