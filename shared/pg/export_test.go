package pg

import (
	"io/fs"
	"testing"
)

// PoolConfig is what a DB and a Worker connect with.
var PoolConfig = poolConfig

// EmbeddedRoots are the files of root certificates.
func EmbeddedRoots() fs.FS { return embedded }

// TrustRoots replaces the root certificates for the length of a test.
func TrustRoots(t *testing.T, files fs.FS) {
	before := roots
	t.Cleanup(func() { roots = before })
	roots = files
}
