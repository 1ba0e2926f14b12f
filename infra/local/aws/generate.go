package aws

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"portico/infra/local/template"
)

// generate creates a secret according to GenerateSecretString.
func generate(g template.GenerateSecret) (string, error) {
	password, err := password(g)
	if err != nil || g.SecretStringTemplate == "" {
		return password, err
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(g.SecretStringTemplate), &object); err != nil {
		return "", fmt.Errorf("SecretStringTemplate is not a JSON object: %w", err)
	}
	object[g.GenerateStringKey] = password
	data, err := json.Marshal(object)
	return string(data), err
}

func password(g template.GenerateSecret) (string, error) {
	var sets []string
	for _, set := range []struct {
		excluded   bool
		characters string
	}{
		{g.ExcludeLowercase, "abcdefghijklmnopqrstuvwxyz"},
		{g.ExcludeUppercase, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
		{g.ExcludeNumbers, "0123456789"},
		{g.ExcludePunctuation, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"},
		{!g.IncludeSpace, " "},
	} {
		characters := strings.Map(func(r rune) rune {
			if strings.ContainsRune(g.ExcludeCharacters, r) {
				return -1
			}
			return r
		}, set.characters)
		if !set.excluded && characters != "" {
			sets = append(sets, characters)
		}
	}
	if len(sets) == 0 || g.PasswordLength < len(sets) || g.PasswordLength > 4096 {
		return "", fmt.Errorf("GenerateSecretString excludes everything, or PasswordLength %d does not fit", g.PasswordLength)
	}
	all := strings.Join(sets, "")
	for {
		var b strings.Builder
		for range g.PasswordLength {
			i, err := rand.Int(rand.Reader, big.NewInt(int64(len(all))))
			if err != nil {
				return "", err
			}
			b.WriteByte(all[i.Int64()])
		}
		if !g.RequireEachIncludedType || hasEach(b.String(), sets) {
			return b.String(), nil
		} // else draw again, which keeps all passwords equally likely
	}
}

func hasEach(password string, sets []string) bool {
	for _, set := range sets {
		if !strings.ContainsAny(password, set) {
			return false
		}
	}
	return true
}
