package signin

import (
	"errors"
	"slices"
	"time"

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
		view.Accounts = append(view.Accounts, linkedAccount{one, account.ProviderNames[one.Connection]})
	}
	return pages.Answer{View: "linked", Title: "linked.title", Data: view}, nil
}

// freshFor is how long a proof lasts for changing how a person signs in. So nobody who finds
// an open browser gets a way into the account that stays.
const freshFor = 10 * time.Minute

// fresh refuses a session whose person has proved nothing lately.
func (s *Site) fresh(page func(*pages.Visit, session.Session) (pages.Answer, error)) func(*pages.Visit, session.Session) (pages.Answer, error) {
	return func(v *pages.Visit, own session.Session) (pages.Answer, error) {
		if s.Clock.Now().Sub(own.ProvedAt) > freshFor {
			return notProven(v, account.ErrStale, "/sign-out")
		}
		return page(v, own)
	}
}

// addLinked sends the browser to a provider, whose answer links the account.
func (s *Site) addLinked(v *pages.Visit, own session.Session) (pages.Answer, error) {
	name := v.Form("provider")
	if !slices.Contains(providers, name) {
		return notProven(v, account.ErrNoProvider, account.LinkedPath)
	}
	return s.leave(v, name, own.User)
}

func (s *Site) removeLinked(v *pages.Visit, own session.Session) (pages.Answer, error) {
	linked, err := uuid.Parse(v.Form("account"))
	if err == nil {
		err = s.Desk.Unlink(ctxOf(v), own, linked, visitor(v))
		switch {
		case errors.Is(err, identity.ErrLastWay):
			return notProven(v, err, account.LinkedPath)
		case err != nil && !errors.Is(err, identity.ErrNotLinked):
			return pages.Answer{}, err
		}
	}
	return v.Go(account.LinkedPath), nil // one that is not there does not show up again either
}
