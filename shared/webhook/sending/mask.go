package sending

import (
	"bytes"
	"slices"
	"strings"
)

// mask is shown instead of what may be secret.
const mask = "***"

// minSecret is the length from which on the value of a custom header is masked where
// the receiver repeats it. Shorter ones, such as `1`, would hide too much.
const minSecret = 6

// secretWords are parts of the names of response headers whose values are masked.
var secretWords = []string{"cookie", "auth", "token", "secret", "password", "session", "api-key", "apikey", "signature", "credential"}

// secretsOf returns what must not be in the log, although a receiver may repeat it:
// the values of custom headers, also without a scheme such as Bearer. The longest is
// the first, because it may contain another one.
func secretsOf(headers map[string]string) (secrets []string) {
	for _, value := range headers {
		if len(value) < minSecret {
			continue
		}
		secrets = append(secrets, value)
		if _, rest, ok := strings.Cut(value, " "); ok && len(rest) >= minSecret {
			secrets = append(secrets, rest)
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return secrets
}

// maskField returns the value of a response header for the log.
func maskField(name, value string, secrets []string) string {
	if secret, known := knownFields[name]; secret || !known && isSecret(name) {
		return mask
	}
	for _, s := range secrets {
		value = strings.ReplaceAll(value, s, mask)
	}
	return value
}

// knownFields says of common response headers whether they are secret, because
// isSecret takes much longer.
var knownFields = func() map[string]bool {
	known := map[string]bool{}
	for _, name := range fieldNames {
		known[name] = isSecret(name)
	}
	return known
}()

func isSecret(name string) bool {
	folded := strings.ToLower(name)
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(folded, word) })
}

// maskEchoes masks secrets in the first bytes of a response, also the beginning of one
// at their end.
func maskEchoes(body []byte, secrets []string) []byte {
	for _, s := range secrets {
		if bytes.Contains(body, []byte(s)) {
			body = bytes.ReplaceAll(body, []byte(s), []byte(mask))
		}
		if n := beginning(body, s); n >= minSecret {
			body = append(body[:len(body)-n], mask...)
		}
	}
	return body
}

// beginning returns how many bytes at the end of a text are the beginning of s.
func beginning(text []byte, s string) int {
	for n := min(len(s)-1, len(text)); n > 0; n-- {
		if bytes.HasSuffix(text, []byte(s[:n])) {
			return n
		}
	}
	return 0
}
