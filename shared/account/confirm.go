package account

import (
	"context"
	"crypto/subtle"
	"time"

	"portico/shared/identity"
	"portico/shared/mail/template"
	"portico/shared/pg"
	"portico/shared/signin"
)

// A mailed code works in the turn in which it was made, as long as the same mail is sent
// once, and in the two after it. So the code of the last mail always works.
const codeTurns = 3

// MailCode mails the code with which a person shows that the mailbox is theirs.
func (d *Desk) MailCode(ctx context.Context, at Standing, locale string, v Visitor) error {
	login, err := d.loginOf(ctx, at.user())
	if err != nil {
		return err
	}
	turn := d.turn()
	code, err := d.Attempts.ConfirmCode(login.User, login.CredentialVersion, turn)
	if err != nil {
		return err
	}
	until := time.Unix((turn+codeTurns)*int64(mailEvery.Seconds()), 0).UTC()
	return d.sendOf(ctx, login, "", locale, template.ConfirmFactor.With(template.CodeData{Code: code, ExpiresAt: until, Device: v.Device(), IP: v.ip(), URL: d.Public + askResetPath}))
}

// ConfirmMailbox notes that a person has shown a mailed code, in the attempt or, with a new
// secret, in the session. It returns ErrWrong for another code.
func (d *Desk) ConfirmMailbox(ctx context.Context, at Standing, typed string, v Visitor) (next Next, err error) {
	counted := d.counted(at.user(), v)
	if at.InAttempt() {
		at.Flow, err = d.tryAs(ctx, at.Flow, at.user(), v)
	} else {
		err = d.count(ctx, counted, v)
	}
	if err != nil {
		return Next{}, err
	}
	var login identity.Login
	err = d.People.AsUser(ctx, at.user(), func(tx pg.Tx) error {
		if login, err = identity.Lock(ctx, tx, at.user()); err != nil {
			return err
		}
		right, err := d.isCode(login, typed)
		switch {
		case err != nil:
			return err
		case !right:
			return ErrWrong
		case at.InAttempt():
			next.Demand = signin.Enrol
			_, err = d.Attempts.Confirm(ctx, at.Flow)
			return err
		}
		if err := d.Attempts.Forgive(ctx, counted, false); err != nil {
			return err
		}
		next.Session, next.Cookie, err = d.Sessions.Renew(ctx, at.Session, []string{string(signin.Link)}, 0)
		return err
	})
	return next, d.refuse(ctx, login.Email, signin.Link, err, v)
}

func (d *Desk) isCode(login identity.Login, typed string) (bool, error) {
	for turn, n := d.turn(), int64(0); n < codeTurns; n++ {
		code, err := d.Attempts.ConfirmCode(login.User, login.CredentialVersion, turn-n)
		if err != nil {
			return false, err
		}
		if subtle.ConstantTimeCompare([]byte(code), []byte(signin.ReadCode(typed))) == 1 {
			return true, nil
		}
	}
	return false, nil
}
