package signin

import (
	"errors"

	"portico/shared/account"
	"portico/shared/pages"
)

const (
	resetSentPath = "/reset/sent"
	resetDonePath = "/reset/done"
)

func (s *Site) showAskReset(*pages.Visit) (pages.Answer, error) {
	return pages.Answer{View: "ask_reset", Title: "ask_reset.title"}, nil
}

func (s *Site) askReset(v *pages.Visit) (pages.Answer, error) {
	address := readAddress(v)
	if address == "" {
		return v.Again(), nil
	}
	if err := s.Desk.AskReset(ctxOf(v), address, v.Lang(), visitor(v)); err != nil {
		return pages.Answer{}, err
	}
	return v.Go(resetSentPath), nil
}

func (s *Site) showReset(v *pages.Visit) (pages.Answer, error) {
	login, err := s.Desk.ReadReset(ctxOf(v), v.Query("token"))
	switch {
	case errors.Is(err, account.ErrLink):
		return stale("/reset"), nil
	case err != nil:
		return pages.Answer{}, err
	}
	return pages.Answer{View: "reset", Title: "reset.title", Data: login.Email}, nil
}

func (s *Site) reset(v *pages.Visit) (pages.Answer, error) {
	err := s.Desk.Reset(ctxOf(v), v.Query("token"), v.Form("password"), v.Lang(), visitor(v))
	switch {
	case errors.Is(err, account.ErrLink):
		return stale("/reset"), nil
	case err != nil:
		return refused(v, err)
	}
	v.SetCookie(sessionCookie, "", 0) // this browser's session has ended too
	return v.Go(resetDonePath), nil
}
