package account

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail/template"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
)

// DeviceFor is how long a device is known after somebody has signed in with it.
const DeviceFor = 90 * 24 * time.Hour

// mostPeople is how many people a device is known for at most: the last ones.
const mostPeople = 5

// known is what a device's cookie says, sealed. It gives no rights: the device has a count
// of failures of its own, so nobody else can lock its people out of it.
type known struct {
	Device string  `json:"device"` // drawn
	People []since `json:"people"`
}

type since struct {
	User  id.User   `json:"user"`
	Until time.Time `json:"until"`
}

// knownDevice reads the cookie of a visitor's device; a malformed one says nothing.
func (d *Desk) knownDevice(v Visitor) (k known) {
	sealed, err := base64.RawURLEncoding.DecodeString(v.Known)
	if err != nil {
		return known{}
	}
	text, err := d.Box.Open(sealed, "device")
	if err != nil || json.Unmarshal(text, &k) != nil {
		return known{}
	}
	return k
}

// knows reports whether a person has signed in with the device.
func (k known) knows(user id.User, now time.Time) bool {
	return slices.ContainsFunc(k.People, func(s since) bool { return s.User == user && now.Before(s.Until) })
}

// Remember returns the cookie of a visitor's device after a person has signed in with it.
func (d *Desk) Remember(user id.User, v Visitor) (cookie string, err error) {
	k, now := d.knownDevice(v), d.Clock.Now()
	if k.Device == "" {
		k.Device = secret.NewToken().Text()
	}
	k.People = slices.DeleteFunc(k.People, func(s since) bool { return s.User == user || !now.Before(s.Until) })
	k.People = append(k.People, since{user, now.Add(DeviceFor)})
	k.People = k.People[max(0, len(k.People)-mostPeople):]
	text, err := json.Marshal(k)
	return base64.RawURLEncoding.EncodeToString(d.Box.Seal(text, "device")), err
}

// entranceOf is the entrance for a visitor: whoever enters with a device that is not known
// is mailed. The mail is written before the session is used, and for each session. Devices of
// those who come by a connection are not known: each has a count of failures of its own, so
// who runs the provider could guess on and on.
func (d *Desk) entranceOf(v Visitor) *signin.Entrance {
	e := d.entrance()
	e.Began = func(ctx context.Context, login identity.Login, s session.Session, by audit.Origin) error {
		if !Bound(s) && !d.knownDevice(v).knows(login.User, d.Clock.Now()) {
			if err := d.sendFor(ctx, s.ID.String()+" ", login.Email, v.Locale, template.NewDevice.With(d.notice(accountPath, v))); err != nil {
				return err
			}
		}
		return d.began(ctx, login, s, by)
	}
	return e
}

// try counts a failure of an account and of an attempt before a secret that somebody has
// typed is compared; the step that follows takes it back. All first factors have one count. An
// address without an account is counted, too. It returns signin.ErrStep for an attempt of
// nobody in particular, and what tryAs does.
func (d *Desk) try(ctx context.Context, f signin.Flow, v Visitor) (signin.Flow, error) {
	user := f.User
	switch {
	case user.IsZero() && f.Email == "":
		return f, signin.ErrStep
	case user.IsZero():
		login, err := d.login(ctx, f.Email)
		if err != nil {
			return f, err
		}
		user = login.User
	}
	return d.tryAs(ctx, f, user, v)
}

// tryAs does the same when it is known whose address it is; zero: nobody's. It returns
// signin.Wait, what Visitor.Human returns, and signin.ErrOver.
func (d *Desk) tryAs(ctx context.Context, f signin.Flow, user id.User, v Visitor) (signin.Flow, error) {
	account := f.Email
	if !user.IsZero() {
		account = d.counted(user, v)
	}
	if err := d.count(ctx, account, v); err != nil {
		return f, err
	}
	return d.Attempts.Try(ctx, f.CountedAs(account, user))
}

// trySecond counts a failure of the second factor. It has a count of its own, so a stranger
// without the first factor keeps nobody from the second.
func (d *Desk) trySecond(ctx context.Context, f signin.Flow, v Visitor) (signin.Flow, error) {
	first := d.counted(f.User, v)
	second := first + " second"
	if err := d.count(ctx, second, v); err != nil {
		return f, err
	}
	return d.Attempts.Try(ctx, f.CountedAs(second, f.User, first))
}

// counted names the count of a person's failures for a visitor.
func (d *Desk) counted(user id.User, v Visitor) string {
	if k := d.knownDevice(v); k.knows(user, d.Clock.Now()) {
		return user.String() + " " + k.Device
	}
	return user.String()
}

func (d *Desk) count(ctx context.Context, account string, v Visitor) error {
	err := d.Attempts.Fail(ctx, account, false)
	if !errors.Is(err, signin.ErrHuman) {
		return err
	}
	if v.Human != nil {
		if err := v.Human(); err != nil {
			return err
		}
	}
	return d.Attempts.Fail(ctx, account, true)
}
