package inspect_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"portico/shared/fault"
	"portico/shared/mail/inspect"
)

// FuzzMessage: a mail gets the same report each time and soon, or is refused in words.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		"", "From: a@example.com\r\n\r\nHello", "From: a@example.com\nDKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=x; h=from; bh=; b=\n\n", "From: a@example.com\r\nReceived-SPF: pass\r\nAuthentication-Results: x; dkim=pass\r\n\r\n",
		"From: =?utf-8?q?=FF?= <a@b>\r\nFrom: c@d\r\n\r\n", "From: a@example.com\r\nDKIM-Signature: v=1; a=ed25519-sha256; d=example.com; s=x; h=from:from; l=99999999999; bh=AAAA; b=AAAA\r\n\r\nx",
	} {
		f.Add([]byte(seed), "v=DMARC1; p=reject")
	}
	f.Fuzz(func(t *testing.T, raw []byte, record string) {
		lookup := func(name string) ([]string, error) {
			if len(name)%2 == 0 {
				return nil, errors.New("no answer")
			}
			return []string{record, "v=DKIM1; k=rsa; p=AAAA"}, nil
		}
		begun := time.Now()
		one, err := inspect.Message(raw, lookup)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
		two, again := inspect.Message(raw, lookup)
		if (err == nil) != (again == nil) || err == nil && !reflect.DeepEqual(one, two) {
			t.Errorf("%q: %+v, %v, and then %+v, %v", raw, one, err, two, again)
		}
		if err != nil && fault.Of(err) == nil {
			t.Errorf("%q is refused without words: %v", raw, err)
		}
	})
}
