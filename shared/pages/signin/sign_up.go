package signin

import (
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"portico/shared/account"
	"portico/shared/name"
	"portico/shared/pages"
	"portico/shared/password"
)

const signUpSentPath = "/sign-up/sent"

func (s *Site) showSignUp(*pages.Visit) (pages.Answer, error) {
	return pages.Answer{View: "sign_up", Title: "sign_up.title", Data: s.Desk.Open}, nil
}

func (s *Site) signUp(v *pages.Visit) (pages.Answer, error) {
	address := readAddress(v)
	if address == "" {
		return v.Again(), nil
	}
	if err := s.Desk.SignUp(ctxOf(v), address, v.Lang(), visitor(v)); err != nil {
		return pages.Answer{}, err
	}
	return v.Go(signUpSentPath), nil
}

// stale is the page for a link that does not work, which offers a new one.
func stale(again string) pages.Answer {
	return pages.Answer{Status: http.StatusNotFound, View: "stale", Title: "stale.title", Data: again}
}

// uninvited is for who has proven the address, so it may say what is missing.
var uninvited = pages.Answer{Status: http.StatusForbidden, View: "done", Title: "uninvited.title", Data: "uninvited.text"}

func (s *Site) showConfirm(v *pages.Visit) (pages.Answer, error) {
	opened, err := s.Desk.ReadSignUp(ctxOf(v), v.Query("token"))
	switch {
	case errors.Is(err, account.ErrLink):
		return stale("/sign-up"), nil
	case errors.Is(err, account.ErrUninvited):
		return uninvited, nil
	case err != nil:
		return pages.Answer{}, err
	}
	return pages.Answer{View: "confirm", Title: "confirm.title", Data: opened}, nil
}

func (s *Site) confirm(v *pages.Visit) (pages.Answer, error) {
	p := account.Person{Name: readName(v, "name"), Password: v.Form("password")}
	if v.Request.PostForm.Has("organization") {
		p.Organization = readName(v, "organization")
	}
	if v.Marked() {
		return v.Again(), nil
	}
	begun, cookie, err := s.Desk.Confirm(ctxOf(v), v.Query("token"), p, visitor(v))
	switch {
	case errors.Is(err, account.ErrLink):
		return stale("/sign-up"), nil
	case errors.Is(err, account.ErrUninvited):
		return uninvited, nil
	case err != nil:
		return refused(v, err)
	}
	return s.begin(v, begun, cookie)
}

// longestName is in characters.
const longestName = 200

// readName reads the name of a person or an organization, or marks it.
func readName(v *pages.Visit, field string) string {
	text := strings.TrimSpace(v.Form(field))
	switch {
	case text == "":
		v.Mark(field, "wrong.missing")
	case utf8.RuneCountInString(text) > longestName:
		v.Mark(field, "wrong.long")
	case !utf8.ValidString(text) || name.Check(text) != nil:
		v.Mark(field, "wrong.characters")
	}
	return text
}

// whyNot are the sentences for passwords that cannot be chosen.
var whyNot = map[password.Refusal]string{
	password.TooShort: "wrong.short_password", password.TooLong: "wrong.long_password", password.NotText: "wrong.characters",
	password.Common: "wrong.common_password", password.OfContext: "wrong.guessable_password", password.Breached: "wrong.stolen_password",
}

// refused marks a password that cannot be chosen; any other error is returned.
func refused(v *pages.Visit, err error) (pages.Answer, error) {
	var why password.Refusal
	switch {
	case errors.As(err, &why):
		v.Mark("password", whyNot[why])
	case errors.Is(err, account.ErrNoOrganization):
		v.Mark("organization", "wrong.missing")
	default:
		return pages.Answer{}, err
	}
	return v.Again(), nil
}
