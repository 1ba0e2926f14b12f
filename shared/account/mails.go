package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/pg"
)

// mailEvery is how often an address gets the same mail at most, however often somebody
// asks for it.
const mailEvery = 5 * time.Minute

// turn is the number of the time in which the same mail is sent once.
func (d *Desk) turn() int64 { return d.Clock.Now().Unix() / int64(mailEvery.Seconds()) }

// send sends a mail about a person's account, the same one once in mailEvery.
func (d *Desk) send(ctx context.Context, email, locale string, content template.Content) error {
	return d.sendFor(ctx, "", email, locale, content)
}

// sendFor does the same once for each who asks.
func (d *Desk) sendFor(ctx context.Context, asker, email, locale string, content template.Content) error {
	sum := sha256.Sum256([]byte(asker + strings.ToLower(email)))
	return d.sendOnce(ctx, email, locale, fmt.Sprintf("%s/%d", base64.RawURLEncoding.EncodeToString(sum[:]), d.turn()), content)
}

// sendOnce sends a mail unless one with this key was sent before.
func (d *Desk) sendOnce(ctx context.Context, email, locale, key string, content template.Content) error {
	key = content.Template.Name + "/" + key
	return d.DB.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		_, err := mail.Send(ctx, tx, d.Box, d.Clock.Now(), id.Org{}, mail.Mail{To: transport.Address{Address: email}, Locale: locale, Key: key, Content: content})
		return err
	})
}

// sendSignUp mails the link with which a person completes the account.
func (d *Desk) sendSignUp(ctx context.Context, email, locale string, v Visitor) error {
	until := d.Clock.Now().Add(signUpFor)
	link, err := d.link(ConfirmPath, Mailed{Email: email, Until: until})
	if err != nil {
		return err
	}
	return d.send(ctx, email, locale, template.VerifyAddress.With(template.LinkData{URL: link, ExpiresAt: until, Device: v.Device(), IP: v.ip()}))
}

// notice is what is said of something that was done, with the page on which to act if it
// was somebody else.
func (d *Desk) notice(path string, v Visitor) template.NoticeData {
	return template.NoticeData{At: d.Clock.Now(), Device: v.Device(), IP: v.ip(), URL: d.Public + path}
}

// sendOf does the same once for each version of the person's credentials: what was mailed
// before a change of them does not work any more.
func (d *Desk) sendOf(ctx context.Context, login identity.Login, asker, locale string, content template.Content) error {
	return d.sendFor(ctx, fmt.Sprintf("%d %s ", login.CredentialVersion, asker), login.Email, locale, content)
}

// tellOfPassword tells a person of a new password, each time. login is as it was before. It
// is called last in the transaction that stores the password: a mail about a change that
// then fails is better than a change that nobody is told of.
func (d *Desk) tellOfPassword(ctx context.Context, login identity.Login, locale string, v Visitor) error {
	key := fmt.Sprintf("%s/%d", login.User, login.CredentialVersion)
	return d.sendOnce(ctx, login.Email, locale, key, template.PasswordChanged.With(d.notice(askResetPath, v)))
}
