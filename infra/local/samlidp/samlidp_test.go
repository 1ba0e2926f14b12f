package samlidp_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"portico/infra/local/samlidp"
)

// A key stays the same from run to run, and only its owner reads it. A broken file is not
// replaced: connections know its certificate.
func TestKeepKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "saml.json")
	first, err := samlidp.KeepKey(file)
	if err != nil {
		t.Fatal(err)
	}
	second, err := samlidp.KeepKey(file)
	if err != nil || !bytes.Equal(first.Private, second.Private) || !bytes.Equal(first.Certificate, second.Certificate) || len(first.Certificate) == 0 {
		t.Errorf("another key (%v)", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v (%v)", info.Mode(), err)
	}
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := samlidp.KeepKey(file); err == nil {
		t.Error("a broken file is read")
	}
	if k, err := samlidp.KeepKey(""); err != nil || bytes.Equal(k.Private, first.Private) {
		t.Errorf("without a file: %v", err)
	}
}
