package apikey_test

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"portico/shared/apikey"
)

// A key has the form that secret scanners know, uses all 62 characters, and is
// never generated twice.
func TestGenerate(t *testing.T) {
	form := regexp.MustCompile(`^ptc_[0-9A-Za-z]{30}[0-9A-Za-z]{6}$`)
	seen, used := map[string]bool{}, map[rune]int{}
	const keys = 2000
	for range keys {
		plain := apikey.Generate()
		if !form.MatchString(plain) {
			t.Fatalf("%q has another form", plain)
		}
		if _, err := apikey.Parse(plain); err != nil {
			t.Fatalf("%q: %v", plain, err)
		}
		if seen[plain] {
			t.Fatalf("%q came twice", plain)
		}
		seen[plain] = true
		for _, c := range plain[4:34] {
			used[c]++
		}
	}
	// 60,000 draws over 62 characters: 968 of each, standard deviation 31.
	if len(used) != 62 {
		t.Errorf("only %d characters in use", len(used))
	}
	for c, n := range used {
		if n < 968-8*31 || n > 968+8*31 {
			t.Errorf("%q was drawn %d times of %d, about 968 are expected", c, n, keys*30)
		}
	}
}

// vectors were computed by Python's zlib.crc32 and hashlib.sha256.
var vectors = []struct{ plain, hash string }{
	{"ptc_0000000000000000000000000000002C8GjS", "22a98c0a7c1690a21624bd752b0d87bad314accf3cc4a96e45be5fcafc83b683"},
	{"ptc_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz4IlJEz", "a86a7a7477dac796728e85d00424cff8f79f636a7fbc55998b90d581b161a137"},
	{"ptc_abcdefghijklmnopqrstuvwxyzABCD4dNndU", "638ffe7f1112307d01eb51eccf598bd3c09e54c3f843c910e8ce8a44338d22ee"},
	{"ptc_drrYjTdd6emrCGjTGYv3HF2s7u0rih00gEpD", "fa10cb3b90ad9300cbc0718e29dcda9f04661df7f67cd459caf30155f1742dbe"}, // a padded checksum
}

// The checksum is CRC-32 in base62, and the hash is SHA-256 of the whole key.
// They must not change, because issued keys must work for ever.
func TestParseVectors(t *testing.T) {
	for _, v := range vectors {
		if hash, err := apikey.Parse(v.plain); err != nil || hex.EncodeToString(hash[:]) != v.hash {
			t.Errorf("%s: %x, %v, want %s", v.plain, hash, err, v.hash)
		}
	}
}

// Junk is refused without a query to a store: Parse has no store.
func TestParseRefusesJunk(t *testing.T) {
	good := vectors[2].plain
	junk := map[string]string{
		"nothing":                  "",
		"the prefix":               "ptc_",
		"no prefix":                good[4:],
		"another's prefix":         "sk__" + good[4:],
		"the prefix in capitals":   "PTC_" + good[4:],
		"one character less":       good[:len(good)-1],
		"one character more":       good + "0",
		"a space before":           " " + good,
		"a space after":            good + " ",
		"capitals swapped":         "ptc_" + strings.ToUpper(good[4:]),
		"another key's checksum":   good[:34] + vectors[1].plain[34:],
		"two characters exchanged": good[:4] + "ba" + good[6:],
		"multi-byte":               good[:38] + "é",
		"a JWT":                    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.2sYt1cYQ",
		"40 characters of another": strings.Repeat("x", 40),
		"very long":                "ptc_" + strings.Repeat("0", 1<<16),
	}
	for name, plain := range junk {
		if _, err := apikey.Parse(plain); !errors.Is(err, apikey.ErrUnknown) {
			t.Errorf("%s was answered %v", name, err)
		} else if len(plain) > 8 && strings.Contains(err.Error(), plain) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

// A key with one wrong character is always refused.
func TestParseNoticesTypos(t *testing.T) {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	plain := apikey.Generate()
	for i := 4; i < len(plain); i++ {
		c := alphabet[random.IntN(62)]
		if c == plain[i] {
			continue
		}
		typo := plain[:i] + string(c) + plain[i+1:]
		if _, err := apikey.Parse(typo); err == nil {
			t.Errorf("seed %d: %s was accepted for %s", seed, typo, plain)
		}
	}
}
