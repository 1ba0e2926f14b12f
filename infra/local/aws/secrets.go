package aws

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"portico/infra/local/template"
)

var secretActions = map[string]action{
	"GetSecretValue": act(getSecretValue),
	"DescribeSecret": act(describeSecret),
	"ListSecrets":    act(listSecrets),
}

// secret is one secret as it is kept in the secret file.
type secret struct {
	Name, ARN, Value, VersionID string
	Created                     time.Time
}

// secretStore keeps secrets in a file, so that values sealed with one can be
// opened after a restart.
type secretStore struct {
	mu      sync.Mutex
	file    string
	secrets map[string]*secret // by name
}

func (st *secretStore) load(file string) error {
	st.file, st.secrets = file, map[string]*secret{}
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the secrets of earlier runs: %w", err)
	}
	if err := json.Unmarshal(data, &st.secrets); err != nil {
		return fmt.Errorf("%s is damaged; to start again without data, delete it together with the database: %w", file, err)
	}
	return nil
}

func (st *secretStore) save() error {
	if st.file == "" {
		return nil
	}
	data, err := json.MarshalIndent(st.secrets, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(st.file), 0o700); err != nil {
		return err
	}
	temporary := st.file + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, st.file)
}

// AddSecret creates a secret. A generated one keeps its first value; a fixed one
// always has the template's value.
func (s *Server) AddSecret(t template.Secret) error {
	st := &s.secrets
	st.mu.Lock()
	defer st.mu.Unlock()
	old := st.secrets[t.Name]
	if old != nil && (t.Generate != nil || old.Value == t.Value) {
		old.ARN = t.ARN
		return st.save()
	}
	value := t.Value
	if t.Generate != nil {
		var err error
		if value, err = generate(*t.Generate); err != nil {
			return fmt.Errorf("secret %s: %w", t.Name, err)
		}
	}
	st.secrets[t.Name] = &secret{Name: t.Name, ARN: t.ARN, Value: value, VersionID: newID(), Created: s.opts.Now()}
	return st.save()
}

type secretInput struct{ SecretId, VersionId, VersionStage string }

func (s *Server) secret(in secretInput) (secret, error) {
	st := &s.secrets
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, found := range st.secrets {
		if in.SecretId != found.Name && in.SecretId != found.ARN {
			continue
		}
		if in.VersionStage != "" && in.VersionStage != "AWSCURRENT" || in.VersionId != "" && in.VersionId != found.VersionID {
			return secret{}, invalid("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", in.VersionStage)
		}
		return *found, nil
	}
	return secret{}, invalid("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

func getSecretValue(s *Server, _ *http.Request, in secretInput) (any, error) {
	found, err := s.secret(in)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"ARN": found.ARN, "Name": found.Name, "SecretString": found.Value, "VersionId": found.VersionID,
		"VersionStages": []string{"AWSCURRENT"}, "CreatedDate": found.Created.Unix(),
	}, nil
}

func (found secret) describe() map[string]any {
	return map[string]any{
		"ARN": found.ARN, "Name": found.Name, "CreatedDate": found.Created.Unix(),
		"VersionIdsToStages": map[string][]string{found.VersionID: {"AWSCURRENT"}},
	}
}

func describeSecret(s *Server, _ *http.Request, in secretInput) (any, error) {
	found, err := s.secret(secretInput{SecretId: in.SecretId})
	if err != nil {
		return nil, err
	}
	return found.describe(), nil
}

func listSecrets(s *Server, _ *http.Request, _ struct{}) (any, error) {
	st := &s.secrets
	st.mu.Lock()
	defer st.mu.Unlock()
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(st.secrets)) {
		list = append(list, st.secrets[name].describe())
	}
	return map[string]any{"SecretList": list}, nil
}
