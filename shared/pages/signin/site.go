// Package signin has the pages on which people sign up, sign in and look after their
// account. What they decide is in shared/account.
package signin

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"slices"
	"time"

	"portico/shared/account"
	"portico/shared/account/assertion"
	"portico/shared/captcha"
	"portico/shared/clock"
	"portico/shared/oauth"
	"portico/shared/pages"
	"portico/shared/session"
	"portico/shared/signin"
)

//go:embed *.html *.js texts
var files embed.FS

// Files are the templates and texts of the pages.
func Files() fs.FS { return files }

// Site serves the pages.
type Site struct {
	Desk     *account.Desk
	Sessions *session.Store
	Policies *account.Policies
	Hosts    pages.Hosts
	Clock    *clock.Clock
	SAML     *assertion.Desk
}

const function = "sign-in"

// The paths that others lead to.
const (
	signInPath  = "/sign-in"
	accountPath = "/account"
)

// perMinute is how many forms of a page an address may send without a CAPTCHA.
func perMinute(name string, most int64) captcha.Challenge {
	return captcha.Challenge{Name: name, After: most, Window: time.Minute}
}

// Pages lists all pages of the site, for the frame and for the gateway.
func (s *Site) Pages() []pages.Page {
	return append([]pages.Page{
		{ID: "signIn", Path: signInPath, Function: function, AtOrganizations: true, Show: s.showSignIn, Act: s.address, Limit: perMinute("sign-in", 20), Records: "none: the next page signs in"},
		{ID: "signInWithPassword", Path: passwordPath, Function: function, Show: s.showPassword, Act: s.password, Limit: perMinute("sign-in", 20), Records: "session.start"},
		{ID: "askSignInLink", Path: "/sign-in/ask-link", Function: function, Act: s.askLink, Limit: perMinute("sign-in", 20), Records: "none: nothing happens before the mailed link is used"},
		{ID: "signInWithCode", Path: codePath, Function: function, Show: s.showCode, Act: s.code, Limit: perMinute("sign-in", 20), Records: "session.start"},
		{ID: "signInWithLink", Path: account.LinkPath, Function: function, Show: s.showLink, Act: s.link, Limit: perMinute("sign-in", 20), Records: "session.start"},
		{ID: "secondFactor", Path: secondPath, Function: function, Show: s.attempt(s.showSecond, signin.Second), Act: s.attempt(s.second, signin.Second), Limit: perMinute("sign-in", 20), Records: "session.start"},
		{ID: "signInWithPasskey", Path: passkeyPath, Function: function, Show: s.attempt(s.showPasskey, signin.Started, signin.Identified, signin.Second), Act: s.passkey, Limit: perMinute("sign-in", 20), Records: "session.start"},
		{ID: "signInAgain", Path: againPath, Function: function, Show: s.signedIn(s.showAgain), Act: s.signedIn(s.beginAgain), Limit: perMinute("account", 20), Records: "none: the next pages sign in"},
		{ID: "enrol", Path: enrolPath, Function: function, Show: s.inAttempt(s.showEnrol)},
		{ID: "enrolConfirmMailbox", Path: signInPath + "/confirm", Function: function, Show: s.inAttempt(s.showConfirmMailbox), Act: s.inAttempt(s.confirmMailbox), Limit: perMinute("sign-in", 20), Records: "none: it comes before a factor is set up"},
		{ID: "enrolTOTP", Path: signInPath + "/totp", Function: function, Show: s.inAttempt(s.showTOTP), Act: s.inAttempt(s.enrolTOTP), Limit: perMinute("sign-in", 20), Records: "factor.enrol"},
		{ID: "enrolPasskey", Path: signInPath + "/passkeys", Function: function, Show: s.inAttempt(s.showPasskeys), Act: s.inAttempt(s.enrolPasskey), Limit: perMinute("sign-in", 20), Records: "passkey.enrol"},
		{ID: "signOut", Path: "/sign-out", Function: function, AtOrganizations: true, Show: s.showSignOut, Act: s.signOut, Limit: perMinute("account", 20), Records: "session.end"},
		{ID: "signUp", Path: "/sign-up", Function: function, Show: s.showSignUp, Act: s.signUp, Limit: perMinute("sign-up", 10), Records: "none: nothing happens before the mailed link is used"},
		{ID: "signUpSent", Path: signUpSentPath, Function: function, Show: told("sent", "sign_up.sent")},
		{ID: "confirmSignUp", Path: account.ConfirmPath, Function: function, Show: s.showConfirm, Act: s.confirm, Limit: perMinute("sign-up", 10), Records: "user.verify_email"},
		{ID: "askReset", Path: "/reset", Function: function, Show: s.showAskReset, Act: s.askReset, Limit: perMinute("reset", 10), Records: "none: nothing happens before the mailed link is used"},
		{ID: "resetSent", Path: resetSentPath, Function: function, Show: told("sent", "reset.sent")},
		{ID: "reset", Path: account.ResetPath, Function: function, Show: s.showReset, Act: s.reset, Limit: perMinute("reset", 10), Records: "user.change_password"},
		{ID: "resetDone", Path: resetDonePath, Function: function, Show: told("done", "reset.done")},
		{ID: "authorize", Path: oauth.AuthorizePath, Function: function, Show: s.asked(s.showConsent), Act: s.asked(s.consent), Limit: perMinute("authorize", 20), Records: "oauth_grant.create"},
		{ID: "account", Path: accountPath, Function: function, AtOrganizations: true, Show: s.inSession(s.showAccount)},
		{ID: "apps", Path: appsPath, Function: function, Show: s.inSession(s.showApps), Act: s.inSession(s.takeAway), Limit: perMinute("account", 20), Records: "oauth_grant.revoke"},
		{ID: "organizations", Path: organizationsPath, Function: function, Show: s.signedIn(s.showOrganizations), Act: s.signedIn(s.enter), Limit: perMinute("account", 20), Records: "session.start"},
		{ID: "leaveOrganization", Path: leavePath, Function: function, Show: s.recent(organizationsPath, s.showLeave), Act: s.recent(organizationsPath, s.leaveOrganization), Limit: perMinute("account", 20), Records: "member.leave"},
		{ID: "changePassword", Path: "/account/password", Function: function, Show: s.signedIn(s.showChange), Act: s.signedIn(s.change), Limit: perMinute("account", 20), Records: "user.change_password"},
		{ID: "confirmMailbox", Path: accountPath + "/confirm", Function: function, Show: s.inAccount("/confirm", s.showConfirmMailbox), Act: s.inAccount("/confirm", s.confirmMailbox), Limit: perMinute("account", 20), Records: "none: it comes before a factor is set up"},
		{ID: "totp", Path: accountPath + "/totp", Function: function, Show: s.inAccount("/totp", s.showTOTP), Act: s.inAccount("/totp", s.enrolTOTP), Limit: perMinute("account", 20), Records: "factor.enrol"},
		{ID: "removeTOTP", Path: accountPath + "/totp/remove", Function: function, Act: s.recent(accountPath, s.removeTOTP), Limit: perMinute("account", 20), Records: "factor.remove"},
		{ID: "recoveryCodes", Path: recoveryPath, Function: function, Show: s.recent(recoveryPath, s.showRecoveryCodes), Act: s.recent(recoveryPath, s.makeRecoveryCodes), Limit: perMinute("account", 20), Records: "factor.enrol"},
		{ID: "passkeys", Path: passkeysPath, Function: function, Show: s.inAccount("/passkeys", s.showPasskeys), Act: s.inAccount("/passkeys", s.enrolPasskey), Limit: perMinute("account", 20), Records: "passkey.enrol"},
		{ID: "renamePasskey", Path: passkeysPath + "/rename", Function: function, Show: s.recent(passkeysPath, s.showRename), Act: s.recent(passkeysPath, s.renamePasskey), Limit: perMinute("account", 20), Records: "none: the passkey works as before"},
		{ID: "removePasskey", Path: passkeysPath + "/remove", Function: function, Act: s.recent(passkeysPath, s.removePasskey), Limit: perMinute("account", 20), Records: "passkey.remove"},
		{ID: "revokeSession", Path: "/account/revoke-session", Function: function, Act: s.signedIn(s.revoke), Limit: perMinute("account", 20), Records: "session.end"},
		{ID: "revokeSessions", Path: "/account/revoke-sessions", Function: function, Act: s.signedIn(s.revokeAll), Limit: perMinute("account", 20), Records: "session.revoke"},
	}, slices.Concat(s.addressPages(), s.providerPages(), s.handOffPages(), s.invitationPages(), s.connectionPages())...)
}

// told is a page that only says something: the title and the text of a key.
func told(view, key string) func(*pages.Visit) (pages.Answer, error) {
	return func(*pages.Visit) (pages.Answer, error) {
		return pages.Answer{View: view, Title: key + ".title", Data: key + ".text"}, nil
	}
}

// sessionCookie carries the session's secret.
const sessionCookie = "portico"

// session returns the visitor's session, without regard to its organization; ok: there is
// one. It asks DynamoDB only: so whoever wants to leave can.
func (s *Site) session(v *pages.Visit) (found session.Session, ok bool, err error) {
	cookie, err := session.Parse(v.Cookie(sessionCookie))
	if err != nil {
		return found, false, nil
	}
	var ended session.Ended
	switch found, err = s.Sessions.Get(v.Request.Context(), cookie, v.Host()); {
	case errors.Is(err, session.ErrNone), errors.As(err, &ended):
		return found, false, nil
	case err != nil:
		return found, false, err
	case found.Org != v.Org() && !v.Org().IsZero(): // the host had another organization
		return found, false, nil
	}
	return found, true, nil
}

// signedIn is a page of a person's own account. It leads whoever has no session to the page
// for signing in, and who has come by an organization's connection to what they may see.
func (s *Site) signedIn(page func(*pages.Visit, session.Session) (pages.Answer, error)) func(*pages.Visit) (pages.Answer, error) {
	return s.inSession(func(v *pages.Visit, own session.Session) (pages.Answer, error) {
		if account.Bound(own) {
			return v.Go(accountPath), nil
		}
		return page(v, own)
	})
}

// inSession leads whoever has no session to the page for signing in.
func (s *Site) inSession(page func(*pages.Visit, session.Session) (pages.Answer, error)) func(*pages.Visit) (pages.Answer, error) {
	return func(v *pages.Visit) (pages.Answer, error) {
		found, ok, err := s.session(v)
		if ok {
			found, err = s.Policies.Stays(ctxOf(v), found)
		}
		var ended session.Ended
		switch {
		case !ok && err == nil, errors.As(err, &ended):
			v.SetCookie(sessionCookie, "", 0)
			return v.Go(signInPath), nil
		case err != nil:
			return pages.Answer{}, err
		}
		return page(v, found)
	}
}

// deviceCookie says for whom the browser is a known device.
const deviceCookie = "portico-device"

// begin gives the browser a session, and is a known device from now on.
func (s *Site) begin(v *pages.Visit, begun session.Session, cookie session.Cookie) (pages.Answer, error) {
	if !account.Bound(begun) {
		device, err := s.Desk.Remember(begun.User, visitor(v))
		if err != nil {
			return pages.Answer{}, err
		}
		v.SetCookie(deviceCookie, device, account.DeviceFor)
	}
	s.keep(v, begun, cookie)
	if to := v.Cookie(toCookie); to != "" {
		v.SetCookie(toCookie, "", 0)
		return v.Go(to), nil
	}
	if begun.Org.IsZero() {
		return v.Go(organizationsPath), nil // to choose one
	}
	return v.Go(accountPath), nil
}

// keep gives the browser the secret of a session.
func (s *Site) keep(v *pages.Visit, begun session.Session, cookie session.Cookie) {
	v.SetCookie(sessionCookie, cookie.Text(), begun.EndsAt.Sub(s.Clock.Now()))
}

func visitor(v *pages.Visit) account.Visitor {
	return account.Visitor{Host: v.Host(), Locale: v.Lang(), Known: v.Cookie(deviceCookie), Human: v.Solve, Origin: v.Origin()}
}

func ctxOf(v *pages.Visit) context.Context { return v.Request.Context() }
