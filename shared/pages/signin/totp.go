package signin

import (
	"errors"

	"portico/shared/account"
	"portico/shared/identity"
	"portico/shared/pages"
	"portico/shared/session"
)

// quiet is the margin of a QR code on both sides, in dots.
const quiet = 8

func (s *Site) showTOTP(v *pages.Visit, at account.Standing, base string) (pages.Answer, error) {
	if err := s.Desk.MayEnrol(ctxOf(v), at); err != nil {
		return pages.Answer{}, err
	}
	key, err := s.Desk.NewAppKey(ctxOf(v), at, v.Form("key"))
	return pages.Answer{View: "totp", Title: "totp.title", Data: struct {
		Key        account.AppKey
		Side       int
		Path, Back string
	}{key, key.Image.Size + quiet, base + "/totp", backOf(base)}}, err
}

func (s *Site) enrolTOTP(v *pages.Visit, at account.Standing, _ string) (pages.Answer, error) {
	next, err := s.Desk.EnrolTOTP(ctxOf(v), at, v.Form("key"), v.Form("app_code"), v.Lang(), visitor(v))
	switch {
	case errors.Is(err, account.ErrWrong):
		v.Mark("app_code", "wrong.app_code")
		return v.Again(), nil
	case errors.Is(err, identity.ErrTOTPExists):
		v.Tell("wrong.totp_exists")
		return v.Again(), nil
	case err != nil:
		return pages.Answer{}, err
	}
	return s.enrolled(v, next)
}

func (s *Site) removeTOTP(v *pages.Visit, own session.Session) (pages.Answer, error) {
	next, err := s.Desk.RemoveTOTP(ctxOf(v), own, v.Lang(), visitor(v))
	switch {
	case errors.Is(err, identity.ErrNoTOTP): // it is gone already
		return v.Go(accountPath), nil
	case err != nil:
		return pages.Answer{}, err
	}
	return s.proceed(v, next)
}
