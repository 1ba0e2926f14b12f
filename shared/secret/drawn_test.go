package secret_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"portico/shared/secret"
)

// A sealing secret that was typed, copied or counted is refused. A randomly drawn
// one is accepted, in any alphabet.
func TestCheckDrawn(t *testing.T) {
	drawn := make([]byte, 32)
	if _, err := rand.Read(drawn); err != nil {
		t.Fatal(err)
	}
	for material, fine := range map[string]bool{
		rand.Text() + rand.Text():                              true,
		hex.EncodeToString(drawn):                              true,
		materialA:                                              false,
		strings.Repeat("test only ", 5):                        false,
		strings.Repeat("1234567890", 5):                        false,
		rand.Text() + "ChangeMe" + rand.Text():                 false,
		"portico" + hex.EncodeToString(drawn):                  false,
		"correct-horse-battery-staple-Password-correct-horse!": false,
	} {
		err := secret.CheckDrawn(fmt.Appendf(nil, `{"current":"1","1":%q}`, material))
		if (err == nil) != fine {
			t.Errorf("%q: %v", material, err)
		}
		if err != nil && strings.Contains(err.Error(), material) {
			t.Errorf("the error shows the material: %v", err)
		}
	}
}
