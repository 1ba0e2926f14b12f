package signin

import (
	"cmp"
	"errors"

	"github.com/google/uuid"

	"portico/shared/account"
	"portico/shared/identity"
	"portico/shared/pages"
	"portico/shared/session"
)

// linkedView is what the page of linked accounts shows.
type linkedView struct {
	Accounts []linkedAccount
	Offers   []offer
}

type linkedAccount struct {
	identity.ProviderAccount
	Name string // of the provider
}

func (s *Site) showLinked(v *pages.Visit, own session.Session) (pages.Answer, error) {
	list, err := s.Desk.Linked(ctxOf(v), own.User)
	if err != nil {
		return pages.Answer{}, err
	}
	view := linkedView{Offers: s.offered()}
	for _, one := range list {
		view.Accounts = append(view.Accounts, linkedAccount{one, cmp.Or(account.ProviderNames[one.Connection], "Single sign-on")})
	}
	return pages.Answer{View: "linked", Title: "linked.title", Data: view}, nil
}

// addLinked sends the browser to a provider, whose answer links the account. Whether the
// person may do so is decided then; asking before saves them the way.
func (s *Site) addLinked(v *pages.Visit, own session.Session) (pages.Answer, error) {
	name := v.Form("provider")
	if s.Desk.Providers[name] == nil {
		return notProven(v, account.ErrNoProvider, account.LinkedPath)
	}
	if err := s.Desk.MayEnrol(ctxOf(v), account.Standing{Session: own}); err != nil {
		return pages.Answer{}, err
	}
	return s.leave(v, name, own.User)
}

func (s *Site) removeLinked(v *pages.Visit, own session.Session) (pages.Answer, error) {
	linked, err := uuid.Parse(v.Form("account"))
	if err != nil {
		return v.Go(account.LinkedPath), nil
	}
	next, err := s.Desk.Unlink(ctxOf(v), own, linked, v.Lang(), visitor(v))
	switch {
	case errors.Is(err, identity.ErrLastWay):
		return notProven(v, err, account.LinkedPath)
	case errors.Is(err, identity.ErrNotLinked): // it does not show up again either
		return v.Go(account.LinkedPath), nil
	case err != nil:
		return pages.Answer{}, err
	}
	return s.proceed(v, next)
}
