package lambdahost

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portico/shared/captcha"
	"portico/shared/clock"
	"portico/shared/testkit"
)

// A function with a challenge reads the vendor and its secret. Without a secret it
// starts, and what needs a CAPTCHA is closed.
func TestCaptchaEnvironment(t *testing.T) {
	manager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"SecretString":" the-secret\n"}`)
	}))
	defer manager.Close()
	h := &Host{AWS: testkit.AWS(manager.URL), Clock: clock.New(0)}
	for name, value := range map[string]string{
		"LIMIT_TABLE": "limits", "LIMITS": "requests:1", "LIMIT_ENVIRONMENTS": "10",
		"CAPTCHA_VENDOR": "hcaptcha", "CAPTCHA_SITE_KEY": "site", "CAPTCHA_SECRET": "", "CAPTCHA_HOSTNAMES": "a.example,b.example",
	} {
		t.Setenv(name, value)
	}
	always := captcha.Challenge{Name: "signIn"}
	gate, err := h.Captcha(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gate.Pass(t.Context(), always, captcha.Visitor{Token: "solved"}); !errors.Is(err, captcha.ErrAway) {
		t.Errorf("without a secret: %v", err)
	}
	if gate.Count == nil {
		t.Error("without a secret nothing counts, so nobody is below a limit")
	}
	t.Setenv("CAPTCHA_SECRET", "captcha")
	if gate, err = h.Captcha(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := gate.Widget(always); w == nil || *w != (captcha.Widget{Vendor: "hcaptcha", SiteKey: "site"}) {
		t.Errorf("the widget is %v", w)
	}
	if gate.Count == nil {
		t.Error("nothing counts requests")
	}
	t.Setenv("CAPTCHA_VENDOR", "recaptcha")
	if _, err = h.Captcha(t.Context()); err == nil || !strings.Contains(err.Error(), "CAPTCHA_VENDOR") {
		t.Errorf("an unknown vendor: %v", err)
	}
}
