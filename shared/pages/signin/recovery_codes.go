package signin

import (
	"errors"
	"slices"
	"strings"

	"portico/shared/account"
	"portico/shared/pages"
	"portico/shared/session"
)

const recoveryPath = "/account/recovery-codes"

// codes is what the page of recovery codes shows: how many are left, or all, once.
type codes struct {
	Left  int
	Codes []string
}

func (s *Site) showRecoveryCodes(v *pages.Visit, own session.Session) (pages.Answer, error) {
	has, err := s.Desk.SecondFactors(ctxOf(v), own.User)
	if err == nil && !has.Any() {
		return v.Go(accountPath), nil
	}
	return pages.Answer{View: "recovery_codes", Title: "recovery_codes.title", Data: codes{Left: has.RecoveryCodes}}, err
}

func (s *Site) makeRecoveryCodes(v *pages.Visit, own session.Session) (pages.Answer, error) {
	made, next, err := s.Desk.MakeRecoveryCodes(ctxOf(v), own, v.Lang(), visitor(v))
	switch {
	case errors.Is(err, account.ErrNoFactor):
		return v.Go(accountPath), nil
	case err != nil:
		return pages.Answer{}, err
	}
	for i, code := range made {
		made[i] = strings.Join(slices.Collect(groups(code)), "-")
	}
	_, err = s.begin(v, next.Session, next.Cookie)
	return pages.Answer{View: "recovery_codes", Title: "recovery_codes.title", Data: codes{Codes: made}}, err
}

// groups are the characters of a code, four at a time.
func groups(code string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for group := range slices.Chunk([]byte(code), 4) {
			if !yield(string(group)) {
				return
			}
		}
	}
}
