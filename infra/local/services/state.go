package services

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// StateDir returns, and makes, the folder that keeps the stack's data between
// runs: .local/state in the repository; for root a folder that the user
// Postgres runs as can enter.
func StateDir(root string) (string, error) {
	if os.Geteuid() != 0 {
		dir := filepath.Join(root, ".local", "state")
		return dir, os.MkdirAll(dir, 0o755)
	}
	path, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(path))
	dir := "/var/tmp/portico-" + hex.EncodeToString(sum[:6])
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Uid != 0 || !info.IsDir() {
		return "", fmt.Errorf("%s belongs to another user: remove it", dir)
	}
	return dir, nil
}

const throwawayPrefix = "portico-test-"

// throwawayDir creates a folder that is removed with the server, and removes the
// folders of killed runs.
func throwawayDir() (string, error) {
	base := os.TempDir()
	if os.Geteuid() == 0 {
		base = "/var/tmp" // as TMPDIR may be a folder only root can enter
	}
	left, _ := filepath.Glob(filepath.Join(base, throwawayPrefix+"*")) // the pattern is well formed
	for _, dir := range left {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < time.Hour {
			continue
		}
		if l, err := Lock(dir); err == nil {
			_ = os.RemoveAll(dir) // the next run tries again
			_ = l.Close()
		}
	}
	dir, err := os.MkdirTemp(base, throwawayPrefix)
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// ErrLocked is returned when another run uses the folder.
var ErrLocked = errors.New("is used by another run of the local stack: stop that one first")

// Lock makes this program the only user of a folder until the file is closed
// or the program ends.
func Lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s %w", dir, ErrLocked)
	}
	return f, nil
}

// postgresUser is the user for Postgres, because it refuses to run as root; nil:
// the current user.
func postgresUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("Postgres refuses to run as root, and there is neither a user postgres nor a user nobody: create one, or run as another user")
}
