package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// minMaterial is the least number of characters of key material: GenerateSecretString
// draws 64 of 62 kinds, 381 bits; 43 still hold 256.
const minMaterial = 43

// keyring is the keys by version, and the version of today.
type keyring struct {
	current byte
	of      map[byte]*key
}

// key is one version: it seals and opens, and makes codes.
type key struct {
	cipher.AEAD
	mac [sha256.Size]byte
}

// parse reads the keys from the form kept in Secrets Manager:
// {"current":"2","1":"<material>","2":"<material>"}. Versions are 1 to 255;
// old ones stay as long as something sealed with them exists.
func parse(text []byte) (*keyring, error) {
	var fields map[string]string
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, errors.New("secret: the sealing secret is not a JSON object of strings")
	}
	k := &keyring{of: map[byte]*key{}}
	for name, material := range fields {
		if name == "current" {
			continue
		}
		version, err := strconv.ParseUint(name, 10, 8)
		if err != nil || strconv.FormatUint(version, 10) != name || version == 0 || len(material) < minMaterial {
			return nil, fmt.Errorf("secret: the sealing secret has a bad key version %q: want 1 to 255 and at least %d characters", name, minMaterial)
		}
		sealing := sha256.Sum256([]byte("portico sealing key\n" + material))
		block, err := aes.NewCipher(sealing[:])
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		k.of[byte(version)] = &key{AEAD: aead, mac: sha256.Sum256([]byte("portico mac key\n" + material))}
	}
	current, err := strconv.ParseUint(fields["current"], 10, 8)
	if err != nil || k.of[byte(current)] == nil {
		return nil, errors.New(`secret: the sealing secret names no key as "current"`)
	}
	k.current = byte(current)
	return k, nil
}
