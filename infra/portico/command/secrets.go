package command

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"portico/infra/portico/config"
)

// secretFile keeps the secrets of lasting consumers on this machine, by their ids. The
// API shows a secret only once.
type secretFile string

func (a *app) secrets() secretFile {
	dir := filepath.Join(a.ConfigDir, "portico")
	if a.file != "" {
		dir = filepath.Dir(a.file)
	}
	return secretFile(filepath.Join(dir, "consumers.json"))
}

func (f secretFile) read() (map[string]string, error) {
	secrets := map[string]string{}
	text, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return secrets, nil
	}
	if err != nil {
		return nil, err
	}
	return secrets, json.Unmarshal(text, &secrets)
}

// of returns the secret of a consumer; empty if it is not known here.
func (f secretFile) of(consumer string) string {
	secrets, err := f.read()
	if err != nil {
		return "" // as if it were not known
	}
	return secrets[consumer]
}

// keep stores the secret of a consumer.
func (f secretFile) keep(consumer, secret string) error {
	secrets, err := f.read()
	if err != nil {
		return err
	}
	secrets[consumer] = secret
	text, err := json.MarshalIndent(secrets, "", "  ")
	if err != nil {
		return err
	}
	return config.WritePrivate(string(f), append(text, '\n'))
}
