package account

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail/template"
	"portico/shared/member"
	"portico/shared/pg"
	"portico/shared/session"
	"portico/shared/signin"
)

// The pages behind the links that change an address.
const (
	AddressPath        = "/account/address"
	ConfirmAddressPath = "/account/address/confirm"
	UndoAddressPath    = "/account/address/undo"
)

// undoFor is how long a change of the address can be taken back. Until then there is no
// other change: so the address to which it goes back is never one that a thief has set.
const undoFor = 7 * 24 * time.Hour

var (
	// ErrSameAddress is returned if the new address is the present one.
	ErrSameAddress = errors.New("account: this is the address already")
	// ErrChangedLately is returned if the last change of the address can still be taken back.
	ErrChangedLately = errors.New("account: the address was changed lately")
	// ErrAnother is returned for a link of another person.
	ErrAnother = errors.New("account: the link is another person's")
	// ErrAddressLost is returned if somebody else has the old address by now. The person is
	// suspended instead.
	ErrAddressLost = errors.New("account: somebody else has the old address")
)

// MayChangeAddress returns nil, ErrStale or ErrChangedLately.
func (d *Desk) MayChangeAddress(ctx context.Context, own session.Session) error {
	return d.People.AsUser(ctx, own.User, func(tx pg.Tx) error {
		if err := d.may(ctx, tx, Standing{Session: own}, false); err != nil {
			return err
		}
		changed, err := identity.ChangedAddressSince(ctx, tx, own.User, d.Clock.Now().Add(-undoFor))
		if err == nil && changed {
			err = ErrChangedLately
		}
		return err
	})
}

// AskAddress mails a link to a new address, or, if somebody has it, that they do: with the
// same statements, and one mail each. The present address is told before. It returns what
// MayChangeAddress does, and ErrSameAddress.
func (d *Desk) AskAddress(ctx context.Context, own session.Session, email string, v Visitor) error {
	if err := d.MayChangeAddress(ctx, own); err != nil {
		return err
	}
	login, err := d.loginOf(ctx, own.User)
	switch {
	case err != nil:
		return err
	case strings.EqualFold(login.Email, email):
		return ErrSameAddress
	}
	free, err := d.free(ctx, email, own.User)
	if err != nil {
		return err
	}
	link, err := d.addressLink(ctx, ConfirmAddressPath, signin.MailedLink{Purpose: signin.ChangeAddress, User: login.User, Email: email, Version: login.CredentialVersion})
	if err != nil {
		return err
	}
	if err := d.tellOfAddress(ctx, template.AddressChangeRequested, login, email, v); err != nil {
		return err
	}
	content := template.ChangeAddress.With(template.LinkData{URL: link, ExpiresAt: d.Clock.Now().Add(linkFor), Device: v.Device(), IP: v.ip()})
	if !free {
		content = template.ChangeAddressTaken.With(d.notice(signInPath, v))
	}
	return d.sendFor(ctx, asker(login), email, v.Locale, content)
}

// asker names a person, and anew after each change of the credentials: then the links of
// earlier mails do not work any more.
func asker(login identity.Login) string {
	return fmt.Sprintf("%s %d ", login.User, login.CredentialVersion)
}

// free reports whether nobody else has an address, in whatever database.
func (d *Desk) free(ctx context.Context, email string, user id.User) (bool, error) {
	owner, err := member.KnownUser(ctx, d.DB, email)
	return owner.IsZero() || owner == user, err
}

func (d *Desk) addressLink(ctx context.Context, path string, l signin.MailedLink) (string, error) {
	token, err := d.Attempts.Mail(ctx, l, signin.Flow{})
	return d.Public + path + "?" + url.Values{"token": {token.Text()}}.Encode(), err
}

// tellOfAddress tells the present address of the new one, with a link that takes it back.
func (d *Desk) tellOfAddress(ctx context.Context, what template.Of[template.AddressNoticeData], login identity.Login, email string, v Visitor) error {
	now := d.Clock.Now()
	link, err := d.addressLink(ctx, UndoAddressPath, signin.MailedLink{Purpose: signin.UndoChange, User: login.User, Email: login.Email, Version: login.CredentialVersion})
	if err != nil {
		return err
	}
	return d.sendFor(ctx, asker(login)+email+" ", login.Email, v.Locale, what.With(template.AddressNoticeData{
		NewAddress: email, At: now, Device: v.Device(), IP: v.ip(), URL: link, UndoUntil: now.Add(undoFor),
	}))
}

// ReadAddress returns the new address of a link that its person has opened. It changes
// nothing. It returns ErrLink and ErrAnother.
func (d *Desk) ReadAddress(ctx context.Context, user id.User, token string) (signin.MailedLink, error) {
	link, _, err := d.look(ctx, token, signin.ChangeAddress, signin.Flow{})
	switch {
	case err != nil:
		return link, err
	case link.User != user:
		return link, ErrAnother
	}
	login, err := d.loginOf(ctx, user)
	if err != nil {
		return link, err
	}
	free, err := d.free(ctx, link.Email, user)
	if err == nil && (!free || login.CredentialVersion != link.Version) {
		err = ErrLink
	}
	return link, err
}

// ConfirmAddress gives a person the address of a link. It works once, because it raises the
// credential version, which the link names. Other sessions end, and this one gets a new
// secret. It returns what ReadAddress does.
func (d *Desk) ConfirmAddress(ctx context.Context, own session.Session, token string, v Visitor) (next Next, err error) {
	link, err := d.ReadAddress(ctx, own.User, token)
	if err != nil {
		return Next{}, err
	}
	login, err := d.loginOf(ctx, own.User)
	if err != nil {
		return Next{}, err
	}
	login.CredentialVersion = link.Version
	err = d.under(ctx, login, func(tx pg.Tx) error {
		if err := d.tellOfAddress(ctx, template.AddressChanged, login, link.Email, v); err != nil {
			return err
		}
		if err := d.endAll(ctx, own.User, own.ID, session.Revoked, v.Origin); err != nil {
			return err
		}
		if next.Session, next.Cookie, err = d.Sessions.Renew(ctx, own, nil, 0); err != nil {
			return err
		}
		return identity.ChangeAddress(ctx, tx, d.DB, own.User, link.Email, v.Origin, d.Clock.Now())
	})
	if errors.Is(err, ErrWrong) || errors.Is(err, identity.ErrAddressTaken) { // somebody was faster
		err = ErrLink
	}
	return next, err
}

// ReadUndo returns the link that takes a change of the address back. It changes nothing.
func (d *Desk) ReadUndo(ctx context.Context, token string) (signin.MailedLink, error) {
	link, _, err := d.look(ctx, token, signin.UndoChange, signin.Flow{})
	return link, err
}

// UndoAddress takes a change of the address back, also one that is only asked for. All
// sessions end, what may be a thief's to sign in with goes, and the person is mailed a link
// to choose a new password. The link is used up last: if the process dies before, it works
// again, and does the same.
func (d *Desk) UndoAddress(ctx context.Context, token string, v Visitor) error {
	link, secret, err := d.look(ctx, token, signin.UndoChange, signin.Flow{})
	if err != nil {
		return err
	}
	since := link.EndsAt.Add(-undoFor - linkFor) // the time when it was asked for, at the latest
	err = d.expel(ctx, link.User, v, func(tx pg.Tx, login identity.Login) error {
		return identity.UndoAddress(ctx, tx, d.DB, login, link.Email, since, v.Origin, d.Clock.Now())
	})
	lost := errors.Is(err, identity.ErrAddressTaken)
	if lost {
		err = d.expel(ctx, link.User, v, func(tx pg.Tx, login identity.Login) error {
			return identity.DisarmAndSuspend(ctx, tx, login.User, since, v.Origin, d.Clock.Now())
		})
	}
	if err == nil && !lost {
		err = d.mailReset(ctx, link.User, v)
	}
	if err == nil {
		_, err = d.Attempts.Take(ctx, secret, signin.Flow{})
	}
	if err = unusable(err); err == nil && lost {
		err = ErrAddressLost
	}
	return err
}

// expel ends all sessions of a person, and what they have allowed apps, under the lock of
// the login, before fn changes what they sign in with.
func (d *Desk) expel(ctx context.Context, user id.User, v Visitor, fn func(pg.Tx, identity.Login) error) error {
	err := d.People.AsUser(ctx, user, func(tx pg.Tx) error {
		login, err := identity.Lock(ctx, tx, user)
		if err != nil {
			return err
		}
		if err := d.expelAll(ctx, user, id.Session{}, v.Origin); err != nil {
			return err
		}
		return fn(tx, login)
	})
	if errors.Is(err, identity.ErrNoLogin) {
		err = ErrLink
	}
	return err
}

func (d *Desk) mailReset(ctx context.Context, user id.User, v Visitor) error {
	login, err := d.loginOf(ctx, user)
	if err != nil {
		return err
	}
	return d.sendReset(ctx, asker(login), login, v.Locale, v)
}
