package signin

import (
	"errors"
	"unicode/utf8"

	"portico/shared/account"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pages"
	"portico/shared/session"
)

const passkeysPath = "/account/passkeys"

// passkeys is what the page of passkeys shows.
type passkeys struct {
	account.Ceremony
	List       []identity.Passkey
	Path, Back string
}

func (s *Site) showPasskeys(v *pages.Visit, at account.Standing, base string) (pages.Answer, error) {
	if err := s.Desk.MayEnrol(ctxOf(v), at); err != nil {
		return pages.Answer{}, err
	}
	ceremony, list, err := s.Desk.NewPasskey(ctxOf(v), at)
	return pages.Answer{View: "passkeys", Title: "passkeys.title", Script: "passkey", Data: passkeys{ceremony, list, base + "/passkeys", backOf(base)}}, err
}

// longestPasskeyName is in characters.
const longestPasskeyName = 100

func readPasskeyName(v *pages.Visit) string {
	if utf8.RuneCountInString(v.Form("passkey_name")) > longestPasskeyName {
		v.Mark("passkey_name", "wrong.long_passkey_name")
	}
	return readName(v, "passkey_name")
}

func (s *Site) enrolPasskey(v *pages.Visit, at account.Standing, _ string) (pages.Answer, error) {
	name := readPasskeyName(v)
	if v.Marked() {
		return v.Again(), nil
	}
	next, err := s.Desk.EnrolPasskey(ctxOf(v), at, v.Form("challenge"), v.Form("response"), name, v.Lang(), visitor(v))
	switch {
	case errors.Is(err, account.ErrWrong):
		v.Because(err)
		v.Tell("wrong.new_passkey")
		return v.Again(), nil
	case errors.Is(err, identity.ErrPasskeyExists):
		v.Tell("wrong.passkey_exists")
		return v.Again(), nil
	case errors.Is(err, identity.ErrTooManyPasskeys):
		v.Tell("wrong.many_passkeys")
		return v.Again(), nil
	case err != nil:
		return pages.Answer{}, err
	}
	return s.enrolled(v, next)
}

func (s *Site) showRename(*pages.Visit, session.Session) (pages.Answer, error) {
	return pages.Answer{View: "rename", Title: "rename.title"}, nil
}

func (s *Site) renamePasskey(v *pages.Visit, own session.Session) (pages.Answer, error) {
	of, err := id.Parse[id.Passkey](v.Query("passkey"))
	if err != nil {
		return v.Go(passkeysPath), nil
	}
	name := readPasskeyName(v)
	if v.Marked() {
		return v.Again(), nil
	}
	if err := s.Desk.RenamePasskey(ctxOf(v), own, of, name); err != nil && !errors.Is(err, identity.ErrPasskeyNotFound) {
		return pages.Answer{}, err
	}
	return v.Go(passkeysPath), nil
}

func (s *Site) removePasskey(v *pages.Visit, own session.Session) (pages.Answer, error) {
	of, err := id.Parse[id.Passkey](v.Form("passkey"))
	if err != nil {
		return v.Go(passkeysPath), nil
	}
	next, err := s.Desk.RemovePasskey(ctxOf(v), own, of, v.Lang(), visitor(v))
	switch {
	case errors.Is(err, identity.ErrPasskeyNotFound): // it is gone already
		return v.Go(passkeysPath), nil
	case err != nil:
		return pages.Answer{}, err
	}
	next.To = accountPath
	return s.proceed(v, next)
}
