package secret

import (
	"encoding/json"
	"fmt"
	"strings"
)

// minDifferent is the least number of different characters of key material. 43
// characters drawn of 62 kinds, and 64 of the 16 of hexadecimal, have fewer not
// once in a million draws; what is typed, repeated or counted has.
const minDifferent = 12

// known are parts of material that examples, tests and people write.
var known = []string{"changeme", "change-me", "change_me", "password", "secret", "example", "default", "portico", "test only", "abcdefgh", "12345678"}

// CheckDrawn refuses a sealing secret that is a known default or does not look
// random: people who know the default, for example from this repository, could
// open everything sealed with it.
func CheckDrawn(text []byte) error {
	var fields map[string]string
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil // Parse says what is wrong with it
	}
	for version, material := range fields {
		if version == "current" {
			continue
		}
		for _, part := range known {
			if strings.Contains(strings.ToLower(material), part) {
				return fmt.Errorf("secret: version %q of the sealing secret is a known default: generate a random one", version)
			}
		}
		different := map[rune]bool{}
		for _, c := range material {
			different[c] = true
		}
		if len(different) < minDifferent {
			return fmt.Errorf("secret: version %q of the sealing secret has only %d different characters: generate a random one", version, len(different))
		}
	}
	return nil
}
