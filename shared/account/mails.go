package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"portico/shared/id"
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
	return d.send(ctx, email, locale, template.VerifyAddress.With(template.LinkData{URL: link, ExpiresAt: until, Device: v.device(), IP: v.ip()}))
}

// notice is what is said of something that was done, with the page on which to act if it
// was somebody else.
func (d *Desk) notice(path string, v Visitor) template.NoticeData {
	return template.NoticeData{At: d.Clock.Now(), Device: v.device(), IP: v.ip(), URL: d.Public + path}
}

// tellOfPassword tells a person of a new password. It is called last in the transaction
// that stores it: a mail about a change that then fails is better than a change that
// nobody is told of.
func (d *Desk) tellOfPassword(ctx context.Context, email, locale string, v Visitor) error {
	return d.send(ctx, email, locale, template.PasswordChanged.With(d.notice(askResetPath, v)))
}
