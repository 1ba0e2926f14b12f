package secret_test

import (
	"strings"
	"testing"

	"portico/shared/secret"
)

// A token is read in one form only, and its hash does not show it.
func TestToken(t *testing.T) {
	token := secret.NewToken()
	if token == secret.NewToken() {
		t.Error("the same token twice")
	}
	text := token.Text()
	if got, err := secret.ParseToken(text); err != nil || got != token {
		t.Errorf("read: %v, %v", got, err)
	}
	if hash := token.Hash(); hash == text || len(hash) != 43 || hash != token.Hash() {
		t.Errorf("hash: %s", hash)
	}
	zeros := strings.Repeat("A", 43)
	for _, wrong := range []string{"", text[:42], text + "A", text + "=", text[:42] + "\n", text[:41] + "\r\n", zeros[:42] + "B", strings.Repeat("+", 43)} {
		if got, err := secret.ParseToken(wrong); err == nil || got != (secret.Token{}) {
			t.Errorf("%q: %v, %v", wrong, got, err)
		}
	}
}
