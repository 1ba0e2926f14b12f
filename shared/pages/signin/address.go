package signin

import (
	"errors"
	"net/http"

	"portico/shared/account"
	"portico/shared/pages"
	"portico/shared/session"
)

const (
	addressSentPath   = account.AddressPath + "/sent"
	addressUndonePath = "/reset/address" // the reader has no session
)

// addressPages are those on which a person changes the address.
func (s *Site) addressPages() []pages.Page {
	return []pages.Page{
		{ID: "changeAddress", Path: account.AddressPath, Function: function, Show: s.recent(account.AddressPath, s.showAddress), Act: s.recent(account.AddressPath, s.changeAddress), Limit: perMinute("account", 20), Records: "none: nothing happens before the mailed link is used"},
		{ID: "changeAddressSent", Path: addressSentPath, Function: function, Show: s.signedIn(func(v *pages.Visit, _ session.Session) (pages.Answer, error) { return told("sent", "address.sent")(v) })},
		{ID: "confirmAddress", Path: account.ConfirmAddressPath, Function: function, Show: s.byOwner(s.showConfirmAddress), Act: s.byOwner(s.confirmAddress), Limit: perMinute("account", 20), Records: "user.change_email"},
		{ID: "undoAddress", Path: account.UndoAddressPath, Function: function, Show: s.showUndoAddress, Act: s.undoAddress, Limit: perMinute("reset", 10), Records: "user.undo_email"},
		{ID: "undoAddressDone", Path: addressUndonePath, Function: function, Show: told("done", "address.undone")},
	}
}

// saying is a page that says something with a status.
func saying(status int, key string) pages.Answer {
	return pages.Answer{Status: status, View: "done", Title: key + ".title", Data: key + ".text"}
}

func (s *Site) showAddress(v *pages.Visit, own session.Session) (pages.Answer, error) {
	err := s.Desk.MayChangeAddress(ctxOf(v), own)
	if errors.Is(err, account.ErrChangedLately) {
		return saying(http.StatusConflict, "address.lately"), nil
	}
	if err != nil {
		return pages.Answer{}, err
	}
	email, err := s.Desk.Address(ctxOf(v), own.User)
	return pages.Answer{View: "address", Title: "address.title", Data: email}, err
}

// changeAddress answers alike whether somebody else has the new address or not.
func (s *Site) changeAddress(v *pages.Visit, own session.Session) (pages.Answer, error) {
	address := readAddress(v)
	if address == "" {
		return v.Again(), nil
	}
	switch err := s.Desk.AskAddress(ctxOf(v), own, address, visitor(v)); {
	case errors.Is(err, account.ErrSameAddress):
		v.Mark("email", "wrong.same_address")
		return v.Again(), nil
	case errors.Is(err, account.ErrChangedLately):
		return saying(http.StatusConflict, "address.lately"), nil
	case err != nil:
		return pages.Answer{}, err
	}
	return v.Go(addressSentPath), nil
}

// byOwner serves a mailed link to the person who has asked for it, signed in. So nobody
// gets a stranger's mailbox for their own account by a click of the stranger.
func (s *Site) byOwner(page func(*pages.Visit, session.Session) (pages.Answer, error)) func(*pages.Visit) (pages.Answer, error) {
	inside := s.signedIn(func(v *pages.Visit, own session.Session) (pages.Answer, error) {
		a, err := page(v, own)
		switch {
		case errors.Is(err, account.ErrAnother):
			return saying(http.StatusForbidden, "address.elsewhere"), nil
		case errors.Is(err, account.ErrLink):
			return stale(account.AddressPath), nil
		case errors.Is(err, session.ErrNone): // it has just ended elsewhere
			return v.Go(signInPath), nil
		}
		return a, err
	})
	return func(v *pages.Visit) (pages.Answer, error) {
		if _, in, err := s.session(v); err != nil || !in {
			return saying(http.StatusForbidden, "address.elsewhere"), err
		}
		return inside(v)
	}
}

func (s *Site) showConfirmAddress(v *pages.Visit, own session.Session) (pages.Answer, error) {
	link, err := s.Desk.ReadAddress(ctxOf(v), own.User, v.Query("token"))
	return pages.Answer{View: "confirm_address", Title: "confirm_address.title", Data: link.Email}, err
}

func (s *Site) confirmAddress(v *pages.Visit, own session.Session) (pages.Answer, error) {
	next, err := s.Desk.ConfirmAddress(ctxOf(v), own, v.Query("token"), visitor(v))
	if err != nil {
		return pages.Answer{}, err
	}
	return s.begin(v, next.Session, next.Cookie)
}

// showUndoAddress needs no session: who has lost the account has none.
func (s *Site) showUndoAddress(v *pages.Visit) (pages.Answer, error) {
	link, err := s.Desk.ReadUndo(ctxOf(v), v.Query("token"))
	if errors.Is(err, account.ErrLink) {
		return stale("/reset"), nil
	}
	return pages.Answer{View: "undo_address", Title: "undo_address.title", Data: link.Email}, err
}

func (s *Site) undoAddress(v *pages.Visit) (pages.Answer, error) {
	err := s.Desk.UndoAddress(ctxOf(v), v.Query("token"), visitor(v))
	switch {
	case errors.Is(err, account.ErrLink):
		return stale("/reset"), nil
	case err != nil && !errors.Is(err, account.ErrAddressLost):
		return pages.Answer{}, err
	}
	v.SetCookie(sessionCookie, "", 0) // this browser's session may be the person's
	if err != nil {
		return saying(http.StatusConflict, "address.lost"), nil
	}
	return v.Go(addressUndonePath), nil
}
