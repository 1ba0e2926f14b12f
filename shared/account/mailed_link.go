package account

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"portico/shared/limit"
	"portico/shared/mail/template"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
)

// mostAskers is for how many networks an address gets a link to sign in while the same mail
// is sent once: who has many networks fills no mailbox.
const mostAskers = 5

// LinkPath is the page behind a link to sign in.
const LinkPath = "/sign-in/link"

// ErrElsewhere is returned for a link to sign in that another browser has asked for.
var ErrElsewhere = errors.New("account: another browser has asked for the link")

// AskLink mails a link that signs the person of an attempt in. An address without an account
// gets the link to make one: with the same statements, and one mail each. It returns
// signin.ErrStep if no address was given. If too many networks have asked lately it mails
// nothing, and nobody is told.
func (d *Desk) AskLink(ctx context.Context, f signin.Flow, locale string, v Visitor) error {
	switch {
	case f.Email == "":
		return signin.ErrStep
	case f.Mailed():
		return nil // its code would no longer work
	}
	login, err := d.login(ctx, f.Email)
	if err != nil {
		return err
	}
	network := limit.AddressKey(v.Origin.SourceIP)
	if may, err := d.Attempts.Among(ctx, fmt.Sprintf("links/%s/%d", f.Email, d.turn()), network, mostAskers, mailEvery); !may || err != nil {
		return err
	}
	until := d.Clock.Now().Add(linkFor)
	token, err := d.Attempts.Mail(ctx, signin.MailedLink{Purpose: signin.SignIn, User: login.User, Email: f.Email, Version: login.CredentialVersion}, f)
	if err != nil {
		return err
	}
	if login.EmailVerifiedAt.IsZero() {
		return d.sendSignUp(ctx, f.Email, locale, v)
	}
	link := d.Public + LinkPath + "?" + url.Values{"token": {token.Text()}}.Encode()
	// It works for its browser only, so nobody keeps the person's own mail back with one of theirs.
	return d.sendOf(ctx, login, network, locale, template.SignInLink.With(template.LinkData{URL: link, ExpiresAt: until, Device: v.Device(), IP: v.ip()}))
}

// linkFor is how long a link to sign in works.
const linkFor = 10 * time.Minute

// ReadLink returns for whom a link to sign in is. It changes nothing. For the browser of
// another attempt it returns ErrElsewhere, and the code to type where the link was asked for.
func (d *Desk) ReadLink(ctx context.Context, token string, f signin.Flow) (email, code string, err error) {
	link, secret, err := d.look(ctx, token, signin.SignIn, f)
	if errors.Is(err, ErrElsewhere) {
		code = signin.Code(secret)
	}
	return link.Email, code, err
}

// WithLink signs the person of a mailed link in, once. It returns what ReadLink does.
func (d *Desk) WithLink(ctx context.Context, token string, f signin.Flow, previous session.Session, v Visitor) (Next, error) {
	_, secret, err := d.look(ctx, token, signin.SignIn, f)
	if err != nil {
		return Next{}, err
	}
	link, err := d.Attempts.Take(ctx, secret, f)
	if err != nil {
		return Next{}, unusable(err)
	}
	return d.proceedByLink(ctx, f, link, previous, v)
}

// WithCode does the same with the code that another browser has shown. It returns ErrWrong
// for a wrong code.
func (d *Desk) WithCode(ctx context.Context, f signin.Flow, typed string, previous session.Session, v Visitor) (Next, error) {
	f, err := d.try(ctx, f, v)
	if err != nil {
		return Next{}, err
	}
	link, err := d.Attempts.TakeCode(ctx, f, typed)
	if errors.Is(unusable(err), ErrLink) {
		return Next{}, d.refuse(ctx, f.Email, signin.Link, ErrWrong, v)
	}
	if err != nil {
		return Next{}, err
	}
	return d.proceedByLink(ctx, f, link, previous, v)
}

func (d *Desk) proceedByLink(ctx context.Context, f signin.Flow, link signin.MailedLink, previous session.Session, v Visitor) (Next, error) {
	if link.User.IsZero() {
		return Next{}, ErrLink
	}
	next, err := d.Proceed(ctx, f, signin.Proof{User: link.User, Version: link.Version, Method: signin.Link}, previous, v)
	if errors.Is(err, ErrWrong) { // the person's credentials have changed since the mail
		err = ErrLink
	}
	return next, err
}

// look reads a mailed link. Those for other purposes are none.
func (d *Desk) look(ctx context.Context, token string, purpose signin.Purpose, f signin.Flow) (signin.MailedLink, secret.Token, error) {
	read, err := secret.ParseToken(token)
	if err != nil {
		return signin.MailedLink{}, read, ErrLink
	}
	link, err := d.Attempts.Look(ctx, read, f)
	if err = unusable(err); (err == nil || errors.Is(err, ErrElsewhere)) && link.Purpose != purpose {
		err = ErrLink
	}
	return link, read, err
}

// unusable returns why a link cannot be used, as pages say it.
func unusable(err error) error {
	switch {
	case errors.Is(err, signin.ErrNone), errors.Is(err, signin.ErrUsed):
		return ErrLink
	case errors.Is(err, signin.ErrElsewhere):
		return ErrElsewhere
	}
	return err
}
