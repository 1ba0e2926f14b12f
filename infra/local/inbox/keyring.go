package inbox

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"portico/shared/webhook/signing"
)

// keyring holds each endpoint's secrets and public keys, in a file, because the
// API shows a secret only once.
type keyring struct {
	mu   sync.Mutex
	file string
	all  map[string]keys
}

// keys are those of an endpoint, the newest last. During the overlap of a
// rotation two are in use.
type keys struct {
	Secrets    []string `json:"secrets,omitempty"`
	PublicKeys []string `json:"public_keys,omitempty"`
}

func (k *keyring) load(file string) error {
	k.file, k.all = file, map[string]keys{}
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, &k.all)
	}
	if err != nil {
		return fmt.Errorf("the inbox's secrets cannot be read; delete %s to go on without them: %w", file, err)
	}
	return nil
}

// add remembers an endpoint's secret and public key; "" stands for none.
func (k *keyring) add(endpoint, secret, publicKey string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	had := k.all[endpoint]
	now := keys{newest(had.Secrets, secret), newest(had.PublicKeys, publicKey)}
	if slices.Equal(now.Secrets, had.Secrets) && slices.Equal(now.PublicKeys, had.PublicKeys) {
		return
	}
	k.all[endpoint] = now
	if data, err := json.MarshalIndent(k.all, "", "  "); err == nil && k.file != "" {
		_ = os.WriteFile(k.file, data, 0o600) // without the file they are known until the stack ends
	}
}

// newest adds a key to a list, of which at most two are in use.
func newest(list []string, one string) []string {
	if one == "" || slices.Contains(list, one) {
		return list
	}
	list = append(slices.Clone(list), one)
	return list[max(0, len(list)-2):]
}

// signer returns the endpoint whose secret or key made a signature.
func (k *keyring) signer(h http.Header, body []byte) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for endpoint, its := range k.all {
		if its.verify(h, body) {
			return endpoint
		}
	}
	return ""
}

// verify does what a receiver does, for each scheme: see docs/receiving-webhooks.md.
func (k keys) verify(h http.Header, body []byte) bool {
	header, event := h.Get("Webhook-Signature"), h.Get("Webhook-Id")
	if signed, signatures, ok := strings.Cut(header, ",v1="); ok && strings.HasPrefix(signed, "t=") {
		at, err := seconds(strings.TrimPrefix(signed, "t="))
		return err == nil && slices.ContainsFunc(k.Secrets, func(secret string) bool {
			_, want, _ := strings.Cut(signing.Sign(body, at, secret), ",v1=")
			return slices.Contains(strings.Split(signatures, ",v1="), want)
		})
	}
	at, err := seconds(h.Get("Webhook-Timestamp"))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(strings.Fields(header), func(signature string) bool {
		return slices.ContainsFunc(k.Secrets, func(secret string) bool {
			want, err := signing.SignStandard(event, at, body, secret)
			return err == nil && signature == want
		}) || slices.ContainsFunc(k.PublicKeys, func(key string) bool {
			return verifyAsymmetric(key, signature, fmt.Appendf(nil, "%s.%d.%s", event, at.Unix(), body))
		})
	})
}

func seconds(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(n, 0), err
}

func verifyAsymmetric(shown, signature string, content []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(shown, "whpk_"))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return false
	}
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signature, "v1a,"))
	return err == nil && ed25519.Verify(key, content, sum)
}
