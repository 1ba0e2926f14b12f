package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"portico/infra/local/services"
)

// clean removes the stack's data and all build results, so that the next start
// is like the first. A server given by DATABASE_URL keeps its databases.
func clean(root string, stdout io.Writer) error {
	state, err := services.StateDir(root)
	if err != nil {
		return err
	}
	lock, err := services.Lock(state)
	if errors.Is(err, services.ErrLocked) {
		return errors.New("the stack of this folder is running: stop it first, with Ctrl-C where it was started")
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	for _, dir := range []string{state, filepath.Join(root, ".local"), filepath.Join(root, ".aws-sam"), filepath.Join(root, "infra", "local", "node_modules"), filepath.Join(root, "infra", "doctest", "node_modules")} {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		fmt.Fprintln(stdout, "removed", dir)
	}
	return nil
}
