package unsubscribe_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/mail/unsubscribe"
	"portico/shared/secret"
)

var now = time.Date(2026, 3, 5, 14, 3, 0, 0, time.UTC)

func box(t *testing.T) *secret.Box {
	t.Helper()
	b, err := secret.Parse(fmt.Appendf(nil, `{"current":"1","1":%q}`, rand.Text()+rand.Text()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A token gives back the choice that it was made of, for more than a year.
func TestToken(t *testing.T) {
	b := box(t)
	want := unsubscribe.Choice{Org: id.New[id.Org](now), Recipient: strings.Repeat("x", 60) + "@example.com", Category: "webhooks"}
	token := unsubscribe.Token(b, want, now)
	for _, later := range []time.Duration{0, time.Hour, 399 * 24 * time.Hour} {
		if got, err := unsubscribe.Read(b, token, now.Add(later)); err != nil || got != want {
			t.Errorf("after %v: %+v (%v)", later, got, err)
		}
	}
	if strings.Contains(token, "example") || len(token) > 300 || strings.ContainsAny(token, "/+=") {
		t.Errorf("the token is %s", token)
	}
	if got := unsubscribe.URL("https://portico.example.com/", b, want, now); !strings.HasPrefix(got, "https://portico.example.com/u/") {
		t.Errorf("the link is %s", got)
	}
}

// Every other token gets the same answer.
func TestOtherTokens(t *testing.T) {
	b := box(t)
	c := unsubscribe.Choice{Org: id.New[id.Org](now), Recipient: "ada@example.com", Category: "webhooks"}
	token := unsubscribe.Token(b, c, now)
	others := map[string]string{
		"empty": "", "no base64": "!!!", "short": "AQ", "long": strings.Repeat("A", 5000), "with padding": token + "=",
		"of other keys":        unsubscribe.Token(box(t), c, now),
		"too old":              unsubscribe.Token(b, c, now.AddDate(0, 0, -401)),
		"of another time":      unsubscribe.Token(b, c, now.AddDate(0, 0, 2)),
		"sealed for other use": string(b.Seal([]byte(token), "cursor")),
	}
	for i := range token {
		others[fmt.Sprintf("changed at %d", i)] = token[:i] + string('A'+(token[i]-'A'+1)%26) + token[i+1:]
		others[fmt.Sprintf("cut at %d", i)] = token[:i]
	}
	for what, other := range others {
		if got, err := unsubscribe.Read(b, other, now); !errors.Is(err, unsubscribe.ErrToken) || err.Error() != unsubscribe.ErrToken.Error() || got != (unsubscribe.Choice{}) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}
