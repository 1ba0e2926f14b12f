package account

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"portico/shared/id"
	"portico/shared/identity"
)

// Mailed is what stands in a mailed link, sealed. Nothing of it is stored: a link works
// once, because using it changes what it was made for.
type Mailed struct {
	Email   string    `json:"email"`
	Until   time.Time `json:"until"`
	User    id.User   `json:"user,omitzero"`    // of a reset
	Version int64     `json:"version,omitzero"` // of the person's credentials, of a reset
}

// ErrLink is returned for a link that is malformed, too old or used.
var ErrLink = errors.New("account: the link does not work")

// How long links work. That of a reset is as good as a password.
const (
	signUpFor = time.Hour
	resetFor  = 10 * time.Minute
)

// The pages behind the links, which their seals are bound to, and others that mails name.
const (
	signInPath   = "/sign-in"
	accountPath  = "/account"
	askResetPath = "/reset"
	ConfirmPath  = "/sign-up/confirm"
	ResetPath    = "/reset/confirm"
)

// link returns the address of a page with what it is given.
func (d *Desk) link(path string, m Mailed) (string, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	sealed := base64.RawURLEncoding.EncodeToString(d.Box.Seal(text, "link "+path))
	return d.Public + path + "?" + url.Values{"token": {sealed}}.Encode(), nil
}

// open reads a link's token. It returns ErrLink if it is not for this page or too old.
func (d *Desk) open(path, token string) (m Mailed, err error) {
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return m, ErrLink
	}
	text, err := d.Box.Open(sealed, "link "+path)
	if err != nil {
		return m, ErrLink
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, err
	}
	if !d.Clock.Now().Before(m.Until) {
		return m, ErrLink
	}
	return m, nil
}

// Opened is the link of a sign-up that works.
type Opened struct {
	Email   string
	Invited bool // by an organization, so none is made
}

// ReadSignUp reads the link of a sign-up. It changes nothing.
func (d *Desk) ReadSignUp(ctx context.Context, token string) (Opened, error) {
	m, err := d.open(ConfirmPath, token)
	if err != nil {
		return Opened{}, err
	}
	login, err := d.login(ctx, m.Email)
	switch {
	case err != nil:
		return Opened{}, err
	case !login.EmailVerifiedAt.IsZero():
		return Opened{}, ErrLink
	}
	invited, err := d.admitted(ctx, m.Email)
	return Opened{m.Email, invited}, err
}

// ReadReset reads the link of a reset. It changes nothing.
func (d *Desk) ReadReset(ctx context.Context, token string) (identity.Login, error) {
	m, err := d.open(ResetPath, token)
	if err != nil {
		return identity.Login{}, err
	}
	login, err := d.loginOf(ctx, m.User)
	switch {
	case errors.Is(err, ErrWrong):
		return login, ErrLink
	case err != nil:
		return login, err
	case login.CredentialVersion != m.Version || login.Email != m.Email || !login.SuspendedAt.IsZero():
		return login, ErrLink
	}
	return login, nil
}
