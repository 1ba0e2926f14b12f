package signin

import (
	"errors"
	"net/http"
	"strings"

	"portico/shared/account"
	"portico/shared/id"
	"portico/shared/invitation"
	"portico/shared/pages"
	"portico/shared/session"
	"portico/shared/signin"
)

// invitationPages are those on which a person accepts or declines an invitation.
func (s *Site) invitationPages() []pages.Page {
	return []pages.Page{
		{ID: "invitation", Path: invitation.Path, Function: function, Show: s.showInvitation, Act: s.invitation, Limit: perMinute("sign-up", 10), Records: "invitation.accept"},
		{ID: "acceptInvitation", Path: organizationsPath + "/accept", Function: function, Act: s.signedIn(s.acceptOffer), Limit: perMinute("account", 20), Records: "invitation.accept"},
		{ID: "declineInvitation", Path: invitation.Path + "/decline", Function: function, Show: s.showDecline, Act: s.decline, Limit: perMinute("sign-up", 10), Records: "invitation.decline"},
		{ID: "declineOffer", Path: organizationsPath + "/decline", Function: function, Act: s.signedIn(s.declineOffer), Limit: perMinute("account", 20), Records: "invitation.decline"},
	}
}

// invited is what the page of an invitation shows.
type invited struct {
	account.Invitation
	Token string // of the link
	As    string // the address of whoever is signed in; "": nobody is
	Mine  bool   // which is the invited one
}

// reader returns the invitation of the link, and the session of its reader; zero: there is
// none.
func (s *Site) reader(v *pages.Visit) (i invited, own session.Session, err error) {
	if i.Invitation, err = s.Desk.ReadInvitation(ctxOf(v), v.Query("token")); err != nil {
		return i, own, err
	}
	i.Token = v.Query("token")
	own, in, err := s.session(v)
	if err == nil && in {
		i.As, err = s.Desk.Address(ctxOf(v), own.User)
	}
	i.Mine = strings.EqualFold(i.As, i.Email)
	return i, own, err
}

// notInvited is the page for a link of an invitation that cannot be accepted.
func notInvited(err error) (pages.Answer, error) {
	if errors.Is(err, account.ErrLink) {
		return saying(http.StatusNotFound, "invitation.over"), nil
	}
	return pages.Answer{}, err
}

func (s *Site) showInvitation(v *pages.Visit) (pages.Answer, error) {
	i, _, err := s.reader(v)
	if err != nil {
		return notInvited(err)
	}
	return pages.Answer{View: "invitation", Title: "invitation.title", Data: i}, nil
}

// invitation makes whoever has proven the invited address a member: the person who is signed
// in with it, or who makes the account. Others sign in first.
func (s *Site) invitation(v *pages.Visit) (pages.Answer, error) {
	i, own, err := s.reader(v)
	switch {
	case err != nil:
		return notInvited(err)
	case i.Mine:
		return s.accept(v, own, i.Org, i.ID)
	case i.As != "":
		v.Tell("invitation.another")
		return v.Again(), nil
	case i.Known:
		return s.signInTo(v, i)
	}
	return s.join(v)
}

// accept leads into the organization; if it demands more than the session has, to the page
// on which people enter theirs.
func (s *Site) accept(v *pages.Visit, own session.Session, of id.Org, wanted id.Invitation) (pages.Answer, error) {
	moved, cookie, err := s.Desk.Accept(ctxOf(v), own, of, wanted, visitor(v))
	var ended session.Ended
	switch {
	case errors.Is(err, signin.ErrFactors), errors.Is(err, account.ErrEnforced), errors.As(err, &ended):
		return v.Go(organizationsPath), nil
	case errors.Is(err, account.ErrBound):
		return saying(http.StatusForbidden, "connection.bound"), nil
	case errors.Is(err, session.ErrNone): // it has just ended elsewhere
		return v.Go(signInPath), nil
	case err != nil:
		return notInvited(err)
	}
	s.keep(v, moved, cookie)
	return v.Go(organizationsPath), nil
}

// signInTo begins an attempt with the invited address, which leads back to the invitation.
func (s *Site) signInTo(v *pages.Visit, i invited) (pages.Answer, error) {
	token, err := s.Desk.Begin(ctxOf(v), i.Email, visitor(v))
	if err != nil {
		return pages.Answer{}, err
	}
	v.SetCookie(flowCookie, token.Text(), flowFor)
	v.SetCookie(toCookie, v.Request.URL.RequestURI(), toFor)
	return s.after(v, i.Email)
}

func (s *Site) join(v *pages.Visit) (pages.Answer, error) {
	p := account.Person{Name: readName(v, "name"), Password: v.Form("password")}
	if v.Marked() {
		return v.Again(), nil
	}
	begun, cookie, err := s.Desk.Join(ctxOf(v), v.Query("token"), p, visitor(v))
	switch {
	case errors.Is(err, account.ErrLink):
		return notInvited(err)
	case err != nil:
		return refused(v, err)
	}
	return s.begin(v, begun, cookie)
}

// offered returns the invitation that the list of a person's organizations names.
func offered(v *pages.Visit) (of id.Org, wanted id.Invitation, ok bool) {
	of, err := id.Parse[id.Org](v.Form("organization"))
	wanted, failed := id.Parse[id.Invitation](v.Form("invitation"))
	return of, wanted, err == nil && failed == nil
}

// acceptOffer accepts an invitation from the list of a person's organizations.
func (s *Site) acceptOffer(v *pages.Visit, own session.Session) (pages.Answer, error) {
	of, wanted, ok := offered(v)
	if !ok {
		return notInvited(account.ErrLink)
	}
	a, err := s.accept(v, own, of, wanted)
	if errors.Is(err, invitation.ErrAnother) {
		return notInvited(account.ErrLink)
	}
	return a, err
}

// showDecline asks whoever has the link, as decline does: it was mailed to the invited address.
func (s *Site) showDecline(v *pages.Visit) (pages.Answer, error) {
	i, _, err := s.reader(v)
	if err != nil {
		return notInvited(err)
	}
	return pages.Answer{View: "decline", Title: "decline.title", Data: i}, nil
}

func (s *Site) decline(v *pages.Visit) (pages.Answer, error) {
	if err := s.Desk.Decline(ctxOf(v), v.Query("token"), visitor(v)); err != nil {
		return notInvited(err)
	}
	return saying(http.StatusOK, "declined"), nil
}

// declineOffer declines an invitation from the list of a person's organizations.
func (s *Site) declineOffer(v *pages.Visit, own session.Session) (pages.Answer, error) {
	of, wanted, ok := offered(v)
	if !ok {
		return notInvited(account.ErrLink)
	}
	err := s.Desk.DeclineOffer(ctxOf(v), own.User, of, wanted, visitor(v))
	switch {
	case errors.Is(err, invitation.ErrAnother):
		return notInvited(account.ErrLink)
	case err != nil:
		return notInvited(err)
	}
	return v.Go(organizationsPath), nil
}
