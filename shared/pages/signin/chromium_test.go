package signin_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"portico/shared/testkit"
)

// chromium starts Debian's Chromium with an authenticator that verifies its user.
func chromium(t *testing.T) context.Context {
	t.Helper()
	if said, err := exec.Command("../../../infra/doctest/install", "chromium").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("lang", "en"))
	allocated, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(end)
	ctx, end = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(end)
	testkit.Must(t, chromedp.Do(ctx, chromedp.Navigate("about:blank")))
	_, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{})
	testkit.Must(t, err)
	_, err = chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	testkit.Must(t, err)
	return ctx
}

// A passkey is made in a browser, signs in alone, and is the second factor.
func TestPasskeyInChromium(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp(ada)
	ctx := chromium(t)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			text, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
			t.Fatalf("%v\n%s", err, text)
		}
	}
	on := func(selector string) chromedp.CSS { return chromedp.CSS(selector) }
	open := func(path string) { t.Helper(); do(chromedp.Navigate("http://" + s.host + path)) }
	password := func() {
		t.Helper()
		open("/sign-in")
		do(chromedp.SendKeys(on("#email"), ada), chromedp.Click(on("form[action='/sign-in'] button")),
			chromedp.SendKeys(on("#password"), secretText), chromedp.Click(on("form[action='/sign-in/password'] button")))
	}
	signedIn := func() { t.Helper(); do(chromedp.WaitVisible(on("form[action='/account/revoke-sessions']"))) }
	password()
	signedIn()
	open("/account/passkeys")
	do(chromedp.Click(on("button.second")), chromedp.WaitVisible(on("[role=status]")))
	do(chromedp.SendKeys(on("#mailed_code"), s.mail().code), chromedp.Click(on("button:not(.second)")),
		chromedp.SendKeys(on("#passkey_name"), "Laptop"), chromedp.Click(on("form[data-make] button")),
		chromedp.WaitVisible(on("form[action='/account/recovery-codes']")))
	leave := func() {
		t.Helper()
		open("/sign-out")
		do(chromedp.Click(on("form button")), chromedp.WaitVisible(on("#email")))
	}
	leave()
	do(chromedp.Click(on("form[action='/sign-in/passkey'] button")))
	signedIn()
	leave()
	password()
	do(chromedp.WaitVisible(on("form[action='/sign-in/second']")), chromedp.Click(on("a[href='/sign-in/passkey']")))
	signedIn()
	if got := testkit.Value[string](t, s.db, `SELECT string_agg(method, ' ' ORDER BY id) FROM user_event WHERE action = 'session.start'`); got != "password password passkey passkey,password" {
		t.Errorf("the sessions: %s", got)
	}
}
