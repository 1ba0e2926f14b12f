package signin

import (
	"errors"
	"net/http"
	"slices"

	"portico/shared/account"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/invitation"
	"portico/shared/member"
	"portico/shared/pages"
	"portico/shared/session"
	"portico/shared/signin"
)

const (
	organizationsPath = "/account/organizations"
	leavePath         = organizationsPath + "/leave"
)

// organizations is what the page of a person's organizations shows.
type organizations struct {
	Own    id.Org // of the session
	List   []identity.Membership
	Offers []invitation.Offer
}

func (s *Site) showOrganizations(v *pages.Visit, own session.Session) (pages.Answer, error) {
	list, err := s.Desk.Organizations(ctxOf(v), own.User)
	if err != nil {
		return pages.Answer{}, err
	}
	offers, err := s.Desk.Offers(ctxOf(v), own.User)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{View: "organizations", Title: "organizations.title", Data: organizations{own.Org, list, offers}}, nil
}

// enter moves the session to another organization.
func (s *Site) enter(v *pages.Visit, own session.Session) (pages.Answer, error) {
	wanted, err := id.Parse[id.Org](v.Form("organization"))
	if err != nil {
		v.Tell("organizations.none")
		return v.Again(), nil
	}
	moved, cookie, err := s.Desk.Switch(ctxOf(v), own, wanted, visitor(v))
	switch key := notEntered(err); {
	case key != "":
		v.Tell(key)
		return v.Again(), nil
	case errors.Is(err, session.ErrNone): // it has just ended elsewhere
		return v.Go(signInPath), nil
	case err != nil:
		return pages.Answer{}, err
	}
	s.keep(v, moved, cookie)
	return v.Go(organizationsPath), nil
}

// showLeave asks whether the person really wants to leave an organization.
func (s *Site) showLeave(v *pages.Visit, own session.Session) (pages.Answer, error) {
	list, err := s.Desk.Organizations(ctxOf(v), own.User)
	if err != nil {
		return pages.Answer{}, err
	}
	wanted, err := id.Parse[id.Org](v.Query("organization"))
	at := slices.IndexFunc(list, func(m identity.Membership) bool { return m.Org == wanted })
	if err != nil || at < 0 {
		return saying(http.StatusNotFound, "leave_organization.none"), nil
	}
	return pages.Answer{View: "leave_organization", Title: "leave_organization.title", Data: list[at].Name}, nil
}

func (s *Site) leaveOrganization(v *pages.Visit, own session.Session) (pages.Answer, error) {
	wanted, err := id.Parse[id.Org](v.Query("organization"))
	if err == nil {
		err = s.Desk.LeaveOrganization(ctxOf(v), own.User, wanted, visitor(v))
	} else {
		err = member.ErrNotFound.Because(err)
	}
	switch {
	case errors.Is(err, member.ErrNotFound):
		return saying(http.StatusNotFound, "leave_organization.none"), nil
	case errors.Is(err, member.ErrLastOwner):
		return saying(http.StatusConflict, "leave_organization.owner"), nil
	case err != nil:
		return pages.Answer{}, err
	}
	return v.Go(organizationsPath), nil
}

// notEntered returns the key of the sentence that says why an organization does not let a
// session in; "": err says something else.
func notEntered(err error) string {
	var ended session.Ended
	switch {
	case errors.Is(err, member.ErrRemoved):
		return "organizations.none"
	case errors.Is(err, signin.ErrFactors):
		return "organizations.factors"
	case errors.As(err, &ended):
		return "organizations.old"
	case errors.Is(err, account.ErrUnentered):
		return "organizations.unentered"
	case errors.Is(err, account.ErrBound):
		return "organizations.bound"
	case errors.Is(err, account.ErrEnforced):
		return "organizations.enforced"
	}
	return ""
}
